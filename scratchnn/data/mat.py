"""The one array of a MATLAB file that is needed here, in the one form in which it is published.

A file of "MATLAB 5.0" may hold anything in many forms. The frames of the Frey Face are one matrix of bytes, stored as
it is, and then all before the numbers is known; a file that begins in another way is not theirs.

0000     124 bytes of text and offsets, which mean nothing here; the version, 0x0100, and the letters "IM"
0128     a matrix, and its size in bytes; in it, each with a code for its type and its size:
            flags: an array of uint8;  its height and width;  its name;  its numbers, columns one after another
"""

from __future__ import annotations

import struct

import numpy as np

from scratchnn.machinery.parameters import Array

MATRIX, INT8, UINT8, INT32, UINT32 = 14, 1, 2, 5, 6  # codes of types; 9 is that of an array of uint8


def matrix(raw: bytes, name: bytes, shape: tuple[int, int]) -> Array:
    """The array (uint8, read-only, no copy) of that name (four letters at most) and shape; ValueError for all else."""
    n = shape[0] * shape[1]
    inside = struct.pack("<4I", UINT32, 8, 9, 0) + struct.pack("<2I2i", INT32, 8, *shape)
    inside += struct.pack("<2H4s", INT8, len(name), name) + struct.pack("<2I", UINT8, n)
    padding = -n % 8
    start = b"\x00\x01IM" + struct.pack("<2I", MATRIX, len(inside) + n + padding) + inside
    if raw[124 : 124 + len(start)] != start or len(raw) != 124 + len(start) + n + padding:
        raise ValueError(
            f"it is no MATLAB 5.0 file that holds just one matrix of bytes, {name.decode()} {shape}, not compressed"
        )
    return np.frombuffer(raw, np.uint8, n, offset=124 + len(start)).reshape(shape[::-1]).T

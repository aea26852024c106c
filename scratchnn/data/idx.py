"""The IDX format of MNIST's files: a short header that says what follows, then the bytes.

0000     two zero bytes, a type code (0x08: unsigned byte), the number of dimensions
0004     the size of each dimension, 4 bytes each, big-endian
....     the values, last dimension fastest
"""

from __future__ import annotations

import math

import numpy as np

from scratchnn.machinery.parameters import Array

MOST_DIMENSIONS = 32  # of an array in NumPy 1


def parse(payload: bytes) -> Array:
    """The array (uint8, read-only, no copy) that an IDX file's decompressed bytes describe; ValueError if they lie."""
    if len(payload) < 4 or payload[:3] != b"\0\0\x08" or payload[3] == 0:
        raise ValueError(
            f"an IDX file of bytes starts with 00 00 08 and a rank, this one with {payload[:4].hex(' ')!r}"
        )
    start = 4 + 4 * payload[3]
    if len(payload) < start:
        raise ValueError(f"its header says {payload[3]} dimensions and takes {start} bytes, it has {len(payload)}")
    if payload[3] > MOST_DIMENSIONS:
        raise ValueError(f"an array of {payload[3]} dimensions is more than NumPy has")
    shape = tuple(int.from_bytes(payload[at : at + 4], "big") for at in range(4, start, 4))
    if math.prod(max(size, 1) for size in shape) >= 2**63:
        raise ValueError(f"its header promises {shape}, which no array can have")
    if len(payload) - start != math.prod(shape):
        raise ValueError(f"its header promises {shape}, {math.prod(shape)} bytes, and {len(payload) - start} follow")
    return np.frombuffer(payload, np.uint8, offset=start).reshape(shape)

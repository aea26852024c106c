"""An archive of arrays, as np.savez writes it: written, and read strictly.

np.load reads archives of every kind: compressed, encrypted, with members that lie over one another, and with headers
that Python's parser has to work out. A file of some kB can then ask for gigabytes, or bring the parser down. Here only
one form is read, the one that np.savez writes: members one after another, stored as they are, and each of them

    a header    {'descr': '<f4', 'fortran_order': False, 'shape': (784, 500), }
    the data    exactly as many bytes as the header says

So no array is larger than the file that it comes from, and there is nothing to evaluate.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO

import numpy as np

from scratchnn.machinery.parameters import Array

# sizes that do not fit into four bytes stand in the extra field, and np.savez puts all of them there
MEMBER = struct.Struct("<4s 2x 2H 4x 3L 2H")  # signature, flags, method, checksum, two sizes; lengths of name and extra
SIZES = struct.Struct("<2H 2Q")
END = 22  # bytes of the record that ends every archive
HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|](?:f[248]|[iu][1248]|b1|U\d{1,9}))', 'fortran_order': False, "
    rb"'shape': \((|\d{1,18},|\d{1,18}(?:, \d{1,18}){1,7})\), \} *\n",
    re.DOTALL,
)


def read_arrays(file: IO[bytes]) -> dict[str, Array]:
    """The arrays of an archive by name, read-only; ValueError or struct.error if np.savez would not have written it."""
    arrays: dict[str, Array] = {}
    for name, content in members(file):
        key = name.removesuffix(".npy")
        if key == name or key in arrays:
            raise ValueError(f"{name!r} is no array, or stands in it twice")
        arrays[key] = array_of(content)
    return arrays


def write_arrays(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Writes them as np.savez does. Where the disk is full the archive is closed at once, which NumPy 1.26 leaves to
    the garbage collector."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def members(file: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    """The members of an archive, name and content, one after another."""
    size = os.fstat(file.fileno()).st_size
    while (start := file.read(MEMBER.size))[:4] == b"PK\3\4":
        _, flags, method, crc, _, _, n_name, n_extra = MEMBER.unpack(start)
        name, extra = file.read(n_name), file.read(n_extra)
        kind, _, n, stored = SIZES.unpack(extra)
        if (flags & ~0x800, method, kind, stored) != (0, 0, 1, n) or n > size - file.tell():
            raise ValueError("a member is compressed, encrypted, or larger than the file")
        content = file.read(n)
        if zlib.crc32(content) != crc:
            raise ValueError("the checksum of a member is wrong")
        yield name.decode(), content
    if start[:4] != b"PK\1\2" or size < END:
        raise ValueError("the archive has no directory")
    file.seek(-END, os.SEEK_END)
    if file.read(4) != b"PK\5\6":
        raise ValueError("the archive does not end as it should")


def array_of(content: bytes) -> Array:
    """The array of a member; a view of its bytes."""
    header = HEADER.match(content)
    if header is None:
        raise ValueError("an array has a header that np.savez would not have written")
    dtype, shape = np.dtype(header[1].decode()), tuple(map(int, re.findall(rb"\d+", header[2])))
    if len(content) - header.end() != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"the header of an array promises {shape}, and other data follow")
    return np.frombuffer(content, dtype, offset=header.end()).reshape(shape)

"""Millions of values and their forms in a file that is mapped into memory: there at once, and shared by processes.

The file: the texts of the values one after the other; where each begins; then the keys of their forms, each as a
number of 64 bits, sorted; the entry of each; for each number of the first bits of a key, where those keys begin;
what there is to know of it, as JSON; how long that is; the digest of all before. Numbers are in the machine's own
order.

A key's number is its CRC-32 and that of its reverse, which together are the remainder of a division by a polynomial
of 64 bits: that any two of 100 million keys have the same has a probability of 0.03 % (Broder, "Some applications
of Rabin's fingerprinting method", 1993).
"""

import hashlib
import json
import mmap
import os
import stat
import sys
import unicodedata
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, overload
from zlib import crc32

from backend_adapter.egress import months
from backend_adapter.egress.known.dictionary import Value
from backend_adapter.egress.known.forms import Kind
from backend_adapter.errors import SettingsError

# What says which forms values have, and what the file is like: where it changes, files from before are made anew.
_CODE = [
    "dates",
    "forms",
    "index",
    "lookalikes",
    "names",
    "phones",
    "skeleton",
    "storing",
    "stored",
]
VERSION = hashlib.blake2b(
    b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in _CODE)
    + Path(months.__file__).read_bytes()
    + unicodedata.unidata_version.encode(),
    digest_size=16,
).hexdigest()
NAME = "dictionary-{}.index"
DIGEST = 32
LENGTH = 8
# How much of a file is read at once, in bytes.
_PIECE = 1 << 18


class DamagedError(Exception):
    """A file is not what was written, or not one of this program, or others may change it."""


def fingerprint(key: bytes) -> int:
    """The number of a key."""
    return crc32(key) << 32 | crc32(key[::-1])


def unwritable(path: Path, error: OSError) -> SettingsError:
    """What is told where such a file cannot be written, or read."""
    return SettingsError(
        f"What is made of long lists cannot be kept in {path.parent}: {error.strerror or error}.",
        "Give this user a folder to write to, with room for some 150 bytes for each value.",
    )


class Stored(Sequence[Value]):
    """The values of such a file, and the index of their forms.

    Opening raises DamagedError, or OSError where there is none; reads it whole once, to compare the digest.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            about = _about(file)
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        view, sections = memoryview(mapped), about["sections"]

        def section(name: str, kind: Literal["Q", "I"]) -> "memoryview[int]":
            begin, length = sections[name]
            return view[begin : begin + length * array(kind).itemsize].cast(kind)

        self._view = view
        self._begins = section("values", "Q")
        self._keys = section("keys", "Q")
        self._entries = section("entries", "I")
        self._starts = section("starts", "I")
        self._shift = 32 - about["bits"]
        self._firsts = [first for first, _ in about["kinds"]]
        self._kinds: list[Kind] = [kind for _, kind in about["kinds"]]
        self.longest: int = about["longest"]
        self.lengths = frozenset[int](about["lengths"])
        self.heads: Mapping[bytes, int] = {
            bytes.fromhex(head): longest for head, longest in about["heads"].items()
        }

    def get(self, key: bytes) -> int:
        """See `Index`."""
        check = crc32(key)
        bucket = check >> self._shift
        place, end = self._starts[bucket], self._starts[bucket + 1]
        if place == end:
            return 0
        number = check << 32 | crc32(key[::-1])
        keys = self._keys
        while place < end:
            if keys[place] == number:
                entry: int = self._entries[place]
                return entry
            place += 1
        return 0

    def __len__(self) -> int:
        return len(self._begins) - 1

    @overload
    def __getitem__(self, number: int) -> Value: ...
    @overload
    def __getitem__(self, number: slice) -> list[Value]: ...
    def __getitem__(self, number: int | slice) -> Value | list[Value]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(number)
        number %= len(self)
        text = bytes(self._view[self._begins[number] : self._begins[number + 1]]).decode()
        return Value(self._kinds[bisect_right(self._firsts, number) - 1], text)

    def __iter__(self) -> Iterator[Value]:
        return (self[number] for number in range(len(self)))


def _about(file: IO[bytes]) -> dict[str, Any]:
    """What the end of the file says of it, when it is whole. Raises DamagedError."""
    found = os.fstat(file.fileno())
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise DamagedError("It is another user's, or others may read or change it.")
    digest, left = hashlib.blake2b(digest_size=DIGEST), found.st_size - DIGEST
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    if left or file.read(DIGEST) != digest.digest():
        raise DamagedError("It is not what was written.")
    file.seek(-DIGEST - LENGTH, os.SEEK_END)
    length = int.from_bytes(file.read(LENGTH), "big")
    file.seek(-DIGEST - LENGTH - length, os.SEEK_END)
    about: dict[str, Any] = json.loads(file.read(length))
    if (about["version"], about["order"]) != (VERSION, sys.byteorder):
        raise DamagedError("It is of another version, or of another machine.")
    return about

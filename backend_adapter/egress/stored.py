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
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal, overload
from zlib import crc32

import numpy

from backend_adapter.egress.dictionary import Value
from backend_adapter.egress.forms import Kind
from backend_adapter.egress.index import BEGINS, Codes, entries

# What the file is like, and which forms values have: changed with either, files from before are made anew.
VERSION = 1
_DIGEST = 32
_LENGTH = 8
# Into how many parts the keys are sorted one after the other, which bounds the memory that takes.
_PARTS_BITS = 4
# Of how many beginnings it is remembered that they are kept.
_REMEMBERED = 500_000
# No number of a value.
_NONE = (1 << 31) - 1


class DamagedError(Exception):
    """A file is not what was written, or not one of this program, or others may change it."""


class _Writer:
    """A file with the digest of what has been written, as it goes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=_DIGEST)
        self.length = 0

    def write(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)
        self.length += len(content)

    def align(self) -> None:
        self.write(bytes(-self.length % 8))

    def finish(self) -> None:
        self._file.write(self._digest.digest())


class Writing:
    """Writes such a file: `add` every value, then `finish`. Takes about 70 bytes of memory for each value."""

    def __init__(self, file: IO[bytes]) -> None:
        self._out = _Writer(file)
        self._begins = array("Q")
        self._kinds = list[tuple[int, Kind]]()
        self._codes = Codes()
        # What is kept already, for nearly all names begin as others do.
        self._begun = set[bytes]()
        parts = range(1 << _PARTS_BITS)
        self._keys, self._entries = [array("Q") for _ in parts], [array("I") for _ in parts]

    def __len__(self) -> int:
        return len(self._begins)

    def add(self, kind: Kind, text: str, keys: frozenset[bytes]) -> None:
        """The next value."""
        if len(self._begun) > _REMEMBERED:
            self._begun.clear()
        number = len(self._begins)
        if not self._kinds or self._kinds[-1][1] != kind:
            self._kinds.append((number, kind))
        self._begins.append(self._out.length)
        self._out.write(text.encode())
        self._codes.add(keys)
        for key, entry in entries(number, keys):
            if entry == BEGINS:
                if key in self._begun:
                    continue
                self._begun.add(key)
            fingerprint = _fingerprint(key)
            part = fingerprint >> 64 - _PARTS_BITS
            self._keys[part].append(fingerprint)
            self._entries[part].append(entry)

    def finish(self) -> None:
        """All that remains to be written."""
        out = self._out
        self._begins.append(out.length)
        out.align()
        sections = {"values": (out.length, len(self._begins))}
        out.write(self._begins.tobytes())
        self._begins = array("Q")
        bits = max(_PARTS_BITS, sum(map(len, self._keys)).bit_length() - 1)
        sections["keys"] = (out.length, 0)
        kept, counts = list[Any](), list[Any]()
        for part in range(len(self._keys)):
            keys, entries_ = _merged(self._keys[part], self._entries[part])
            self._keys[part], self._entries[part] = array("Q"), array("I")
            first = part << bits - _PARTS_BITS
            counts.append(
                numpy.bincount(
                    (keys >> numpy.uint64(64 - bits)).astype(numpy.int64) - first,
                    minlength=1 << bits - _PARTS_BITS,
                )
            )
            kept.append(entries_)
            out.write(keys.tobytes())
        sections["keys"] = (sections["keys"][0], sum(map(len, kept)))
        sections["entries"] = (out.length, sections["keys"][1])
        for each in kept:
            out.write(each.tobytes())
        out.align()
        sections["starts"] = (out.length, (1 << bits) + 1)
        starts = numpy.cumsum(numpy.concatenate([numpy.zeros(1, numpy.int64), *counts]))
        out.write(starts.astype(numpy.uint32).tobytes())
        out.align()
        about = {
            "version": VERSION,
            "order": sys.byteorder,
            "sections": sections,
            "bits": bits,
            "kinds": self._kinds,
            "lengths": sorted(self._codes.lengths),
            "heads": {head.hex(): longest for head, longest in self._codes.heads.items()},
        }
        said = json.dumps(about).encode()
        out.write(said)
        out.write(len(said).to_bytes(_LENGTH, "big"))
        out.finish()


def _fingerprint(key: bytes) -> int:
    return crc32(key) << 32 | crc32(key[::-1])


def _merged(keys: "array[int]", entries_: "array[int]") -> tuple[Any, Any]:
    """Sorted, each key once: with the first value that has it, and whether any begins so."""
    numbers, found = numpy.frombuffer(keys, numpy.uint64), numpy.frombuffer(entries_, numpy.uint32)
    if not len(numbers):
        return numbers, found
    order = numpy.argsort(numbers)
    numbers, found = numbers[order], found[order]
    firsts = numpy.flatnonzero(numpy.concatenate([[True], numbers[1:] != numbers[:-1]]))
    begins = numpy.bitwise_or.reduceat(found & BEGINS, firsts)
    # One less than none is more than all others.
    values = numpy.minimum.reduceat((found >> 1) - numpy.uint32(1) & numpy.uint32(_NONE), firsts)
    values = (values + numpy.uint32(1)) & numpy.uint32(_NONE)
    return numbers[firsts], (values << numpy.uint32(1) | begins).astype(numpy.uint32)


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
        fingerprint = check << 32 | crc32(key[::-1])
        keys = self._keys
        while place < end:
            if keys[place] == fingerprint:
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
    digest, left = hashlib.blake2b(digest_size=_DIGEST), found.st_size - _DIGEST
    while left > 0 and (piece := file.read(min(left, 1 << 20))):
        digest.update(piece)
        left -= len(piece)
    if left or file.read(_DIGEST) != digest.digest():
        raise DamagedError("It is not what was written.")
    file.seek(-_DIGEST - _LENGTH, os.SEEK_END)
    length = int.from_bytes(file.read(_LENGTH), "big")
    file.seek(-_DIGEST - _LENGTH - length, os.SEEK_END)
    about: dict[str, Any] = json.loads(file.read(length))
    if (about["version"], about["order"]) != (VERSION, sys.byteorder):
        raise DamagedError("It is of another version, or of another machine.")
    return about

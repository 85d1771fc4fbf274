"""Writes the file of long lists (see `stored`), in a process of its own."""

import fcntl
import hashlib
import json
import os
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy

from backend_adapter.egress.known.forms import Kind, by_words
from backend_adapter.egress.known.index import BEGINS, Codes, entries
from backend_adapter.egress.known.listed import values_of
from backend_adapter.egress.known.stored import (
    DIGEST,
    LENGTH,
    NAME,
    VERSION,
    DamagedError,
    Stored,
    fingerprint,
    unwritable,
)
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.errors import SettingsError

# After how many values it is said how far it is.
_SAID_EACH = 500_000
# Into how many parts the keys are sorted one after the other, which bounds the memory that takes.
_PARTS_BITS = 4
# Of how many beginnings it is remembered that they are kept.
_REMEMBERED = 500_000
# How much of the texts of values is written at once, in bytes.
_BUFFERED = 1 << 16
# No number of a value.
_NONE = (1 << 31) - 1


class _Writer:
    """A file with the digest of what has been written, as it goes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.blake2b(digest_size=DIGEST)
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
    """Writes such a file: `add` every value, then `finish`. Takes up to 200 bytes of memory for each value."""

    def __init__(self, file: IO[bytes]) -> None:
        self._out = _Writer(file)
        self._begins = array("Q")
        self._texts = bytearray()
        self._kinds = list[tuple[int, Kind]]()
        self._codes = Codes()
        self._longest = 0
        # What is kept already, for nearly all names begin as others do.
        self._begun = set[bytes]()
        parts = range(1 << _PARTS_BITS)
        self._keys, self._entries = [array("Q") for _ in parts], [array("I") for _ in parts]
        self._appending = [
            (keys.append, each.append) for keys, each in zip(self._keys, self._entries, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._begins)

    def add(self, kind: Kind, text: str, keys: frozenset[bytes]) -> None:
        """The next value."""
        if len(self._begun) > _REMEMBERED:
            self._begun.clear()
        number = len(self._begins)
        if not self._kinds or self._kinds[-1][1] != kind:
            self._kinds.append((number, kind))
        self._begins.append(self._out.length + len(self._texts))
        self._texts += text.encode()
        if len(self._texts) > _BUFFERED:
            self._write_texts()
        self._longest = max(self._longest, max(map(len, keys), default=0))
        if not by_words(kind):
            self._codes.add(keys)
        begun = self._begun
        for key, entry in entries(number, keys):
            if entry == BEGINS:
                if key in begun:
                    continue
                begun.add(key)
            mark = fingerprint(key)
            append_key, append_entry = self._appending[mark >> 64 - _PARTS_BITS]
            append_key(mark)
            append_entry(entry)

    def _write_texts(self) -> None:
        self._out.write(bytes(self._texts))
        self._texts.clear()

    def finish(self) -> None:
        """All that remains to be written."""
        out = self._out
        self._write_texts()
        self._appending.clear()
        self._begins.append(out.length)
        out.align()
        sections = {"values": (out.length, len(self._begins))}
        out.write(self._begins.tobytes())
        self._begins = array("Q")
        bits = max(_PARTS_BITS, sum(map(len, self._keys)).bit_length() - 1)
        begin, kept, starts = out.length, list[Any](), [numpy.zeros(1, numpy.uint32)]
        for part in range(len(self._keys)):
            keys, entries_ = _merged(self._keys[part], self._entries[part])
            self._keys[part], self._entries[part] = array("Q"), array("I")
            buckets = (keys >> numpy.uint64(64 - bits)).astype(numpy.int64)
            counts = numpy.bincount(
                buckets - (part << bits - _PARTS_BITS), minlength=1 << bits - _PARTS_BITS
            )
            starts.append((numpy.cumsum(counts) + int(starts[-1][-1])).astype(numpy.uint32))
            kept.append(entries_)
            out.write(keys.tobytes())
        sections["keys"] = (begin, sum(map(len, kept)))
        sections["entries"] = (out.length, sections["keys"][1])
        for each in kept:
            out.write(each.tobytes())
        out.align()
        sections["starts"] = (out.length, (1 << bits) + 1)
        for each in starts:
            out.write(each.tobytes())
        out.align()
        about = {
            "version": VERSION,
            "order": sys.byteorder,
            "sections": sections,
            "bits": bits,
            "kinds": self._kinds,
            "longest": self._longest,
            "lengths": sorted(self._codes.lengths),
            "heads": {head.hex(): longest for head, longest in self._codes.heads.items()},
        }
        said = json.dumps(about).encode()
        out.write(said)
        out.write(len(said).to_bytes(LENGTH, "big"))
        out.finish()


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


def main() -> None:
    """Make the file of a task (the argument, in JSON), and say how far it is (standard output, in JSON lines)."""
    task = json.loads(sys.argv[1])
    path = Path(task["path"])
    dictionaries = tuple(DictionarySettings.model_validate(each) for each in task["lists"])
    try:
        with _alone(path.parent):
            if not _is_whole(path):
                _write(dictionaries, path)
    except SettingsError as error:
        _say("error", [error.message, error.remedy])
    except OSError as error:
        told = unwritable(path, error)
        _say("error", [told.message, told.remedy])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process makes such a file there: a second one finds it made."""
    with (folder / "dictionary.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_whole(path: Path) -> bool:
    try:
        Stored(path)
    except (OSError, DamagedError):
        return False
    return True


def _write(dictionaries: tuple[DictionarySettings, ...], path: Path) -> None:
    for left in path.parent.glob(NAME.format("*") + ".part"):
        left.unlink()
    part = path.with_name(f"{path.name}.part")
    try:
        # The default for files of this kind is that the group may read them.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            writing = Writing(file)
            _say("report", "The lists are read.")
            for each in dictionaries:
                for text, keys in values_of(each):
                    writing.add(each.kind, text, keys)
                    if len(writing) % _SAID_EACH == 0:
                        _say("report", f"{len(writing):,} values read.")
            _say("report", f"{len(writing):,} values read; they are put in order.")
            writing.finish()
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    # Values that are listed no more stay in no file; who has one mapped keeps it.
    for other in path.parent.glob(NAME.format("*")):
        if other != path:
            other.unlink(missing_ok=True)


def _say(what: str, said: object) -> None:
    sys.stdout.write(json.dumps({what: said}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

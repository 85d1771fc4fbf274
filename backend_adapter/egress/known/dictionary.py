"""Finds the values that a site knows in a text, in whatever form they stand there: one pass for all of them.

The words of a text are looked up, each word once however often it stands there; where one begins a value, the words
after it are looked at as long as a value begins so. How many values there are makes no difference to that.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backend_adapter.egress.found import LISTED, Found, apart
from backend_adapter.egress.known.forms import CODE, Kind, forms
from backend_adapter.egress.known.index import BEGINS, Index, MemoryIndex, head_of, number_of
from backend_adapter.egress.known.readings import readings
from backend_adapter.egress.known.skeleton import Places, tokens

# What German and English put after a name, by its last letter: Müllers, Hansens, Fritzes, das Müllersche Haus.
_ENDINGS = {
    ord("s"): (b"s", b"es", b"ns", b"ens", b"sches"),
    ord("n"): (b"n", b"en", b"schen"),
    ord("e"): (b"sche",),
    ord("r"): (b"scher",),
    ord("m"): (b"schem",),
}
# The time after a date: 1987-03-05T12:00.
_TIME = re.compile(rb"(?<=\d)t\d{2,6}z?$")
_CELL = re.compile(r"[^|\s](?:[^|]*[^|\s])?")
# With what all of them end.
_ENDING = (*b"s n sche scher schem z".split(), *(b"%d" % digit for digit in range(10)))
# How many blanks and other marks may stand in a value that is written with still others.
_BLANKS = 200


@dataclass(frozen=True, slots=True)
class Value:
    """Something that a site knows: `kind` says what it is."""

    kind: Kind
    text: str


class _Hit(NamedTuple):
    """A value from one word to another, less an ending of the last one."""

    first: int
    last: int
    ending: int
    number: int


class Dictionary:
    """Values to find; `category` is what those that it finds count as.

    Any number of threads may search at the same time.
    """

    def __init__(self, values: Iterable[Value], category: str = LISTED) -> None:
        self.values: Sequence[Value] = tuple(values)
        self._category = category
        self._index: Index = MemoryIndex(forms(each.kind, each.text) for each in self.values)

    @classmethod
    def indexed(cls, values: Sequence[Value], index: Index, category: str = LISTED) -> "Dictionary":
        """Of values whose forms are in an index already, by their numbers."""
        made = cls((), category)
        made.values, made._index = values, index
        return made

    def find(self, text: str) -> list[Found]:
        """All values in the text, from left to right: of two that begin together the longer one."""
        if not self.values:
            return []
        words = tokens(text)
        distinct = set(words)
        found = self._found(text, words, distinct)
        # A letter of a form is at most two of the text.
        reach = 2 * self._index.longest + _BLANKS
        for reading in readings(text, words, distinct, reach):
            read = tokens(reading.text)
            for each in self._found(reading.text, read, set(read)):
                start, end = reading.span(each.start, each.end)
                found.append(Found(start, end, each.kind, each.value, each.category))
        return [part for each in apart(found) for part in _in_cells(text, each)] if found else []

    def _found(self, text: str, words: list[bytes], distinct: set[bytes]) -> list[Found]:
        hits = self._hits(words, distinct)
        if not hits:
            return []
        found, places = [], Places(text)
        for hit in hits:
            value = self.values[hit.number]
            start, end = places.span(hit.first, hit.last, hit.ending)
            if value.kind == "phone":
                start -= _marks_before(text, start, end)
            found.append(Found(start, end, value.kind, value.text, self._category))
        return found

    def _hits(self, words: list[bytes], distinct: set[bytes]) -> list[_Hit]:
        get, heads = self._index.get, self._index.heads
        known = {word: entry for word in distinct if (entry := get(word))}
        coded = {word for word in distinct if head_of(word) in heads} if heads else set[bytes]()
        # A value of one word with an ending.
        ended = {
            word: ends
            for word in distinct
            if word.endswith(_ENDING) and (ends := list(self._without_ending(b"", word)))
        }
        candidates = known.keys() | coded | ended.keys()
        hits = list[_Hit]()
        if not candidates:
            return hits
        for first, word in enumerate(words):
            if word not in candidates:
                continue
            hits += [_Hit(first, first, *each) for each in ended.get(word, ())]
            if (entry := known.get(word, 0)) > BEGINS:
                hits.append(_Hit(first, first, 0, number_of(entry)))
            if entry & BEGINS:
                self._go_on(words, first, hits)
            if word in coded:
                self._codes(words, first, hits)
        return hits

    def _go_on(self, words: list[bytes], first: int, hits: list[_Hit]) -> None:
        """The values of several words that begin with this one."""
        get, key = self._index.get, words[first]
        for last in range(first + 1, len(words)):
            word, before = words[last], key + b" "
            if word.endswith(_ENDING):
                hits += [_Hit(first, last, *each) for each in self._without_ending(before, word)]
            key = before + word
            entry = get(key)
            if entry > BEGINS:
                hits.append(_Hit(first, last, 0, number_of(entry)))
            if not entry & BEGINS:
                return

    def _without_ending(self, before: bytes, word: bytes) -> Iterator[tuple[int, int]]:
        """The values that a key is less an ending, and how long that is."""
        for kind, ending in _endings(word):
            number = number_of(self._index.get(before + word.removesuffix(ending)))
            if number >= 0 and self.values[number].kind == kind:
                yield len(ending), number

    def _codes(self, words: list[bytes], first: int, hits: list[_Hit]) -> None:
        """The codes that begin with this word."""
        get, heads, lengths = self._index.get, self._index.heads, self._index.lengths
        code = b""
        for last in range(first, len(words)):
            code += words[last]
            if len(code) > heads.get(head_of(code), 0):
                return
            if len(code) in lengths and (number := number_of(get(CODE + code))) >= 0:
                hits.append(_Hit(first, last, 0, number))


def _in_cells(text: str, found: Found) -> Iterator[Found]:
    """A value that stands in several cells of a table is one in each of them, so that the row keeps its cells."""
    span = text[found.start : found.end]
    if "|" not in span or "|" in found.value:
        yield found
        return
    for cell in _CELL.finditer(span):
        kind: Kind = found.kind if found.kind in ("person", "text", "address") else "code"
        yield Found(
            found.start + cell.start(), found.start + cell.end(), kind, cell[0], found.category
        )


def _endings(word: bytes) -> Iterator[tuple[Kind, bytes]]:
    """What may stand at the end of a word and be no part of a value of a kind."""
    for ending in _ENDINGS.get(word[-1], ()):
        if word.endswith(ending) and word != ending:
            yield "person", ending
    if b"t" in word and (time := _TIME.search(word)) is not None:
        yield "date", time[0]


def _marks_before(text: str, start: int, end: int) -> int:
    """How many marks before a telephone number are its own: + before a country, ( around an area code."""
    before = text[start - 1 : start]
    return before == "+" or (before == "(" and ")" in text[start:end])

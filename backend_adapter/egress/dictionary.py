"""Finds the values that a site knows in a text, in whatever form they stand there: one pass for all of them.

Aho, Corasick, "Efficient String Matching: An Aid to Bibliographic Search" (CACM 1975).
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ahocorasick_rs import AhoCorasick, Implementation

from backend_adapter.egress.forms import Kind, by_words, forms
from backend_adapter.egress.found import LISTED, Found, apart
from backend_adapter.egress.skeleton import (
    GAP,
    Skeleton,
    compact,
    compact_with_origins,
    leaves_nothing,
    words,
    words_with_origins,
)

# What German and English put after a name: Müllers, Hansens, Fritzes.
_ENDINGS = ("s", "es", "ns", "ens", "n", "en")


@dataclass(frozen=True, slots=True)
class Value:
    """Something that a site knows: `kind` says what it is."""

    kind: Kind
    text: str


class Dictionary:
    """Values to find; `category` is what those that it finds count as."""

    def __init__(self, values: Iterable[Value], category: str = LISTED) -> None:
        self.values = tuple(values)
        self._category = category
        self._by_words = _Automaton(self.values, of_words=True)
        self._by_code = _Automaton(self.values, of_words=False)

    def find(self, text: str) -> list[Found]:
        """All values in the text, from left to right: of two that begin together the longer one."""
        skeleton = words(text)
        code = compact(skeleton) if self._by_code else ""
        if not (self._by_words.is_in(skeleton) or self._by_code.is_in(code)):
            return []
        whole = words_with_origins(text)
        found = self._words_in(whole)
        if self._by_code:
            found += self._codes_in(compact_with_origins(whole), text)
        return apart(found)

    def _words_in(self, skeleton: Skeleton) -> list[Found]:
        found = []
        for value, begin, end in self._by_words.all_in(skeleton.text):
            # The form begins with a GAP, and ends before one, or before an ending and one.
            if _ends_word(skeleton.text, end, self.values[value].kind):
                # What follows begins at the next character that left something of itself.
                found.append(self._found(skeleton.origins[begin + 1], skeleton.origins[end], value))
        return found

    def _codes_in(self, skeleton: Skeleton, text: str) -> list[Found]:
        found = []
        for value, begin, end in self._by_code.all_in(skeleton.text):
            start, after = skeleton.origins[begin], skeleton.origins[end - 1] + 1
            while after < len(text) and leaves_nothing(text[after]):
                after += 1
            if self.values[value].kind == "phone":
                start -= _marks_before(text, start, after)
            if not _joined(text, start - 1) and not _joined(text, after):
                found.append(self._found(start, after, value))
        return found

    def _found(self, start: int, end: int, number: int) -> Found:
        value = self.values[number]
        return Found(start, end, value.kind, value.text, self._category)


class _Automaton:
    def __init__(self, values: Sequence[Value], *, of_words: bool) -> None:
        patterns: dict[str, int] = {}
        for number, value in enumerate(values):
            if by_words(value.kind) is of_words:
                for form in forms(value.kind, value.text):
                    patterns.setdefault(form, number)
        self._numbers = array("I", patterns.values())
        # The other ways to keep it take more memory and are no faster here.
        self._search = (
            AhoCorasick(patterns, implementation=Implementation.NoncontiguousNFA)
            if patterns
            else None
        )

    def __bool__(self) -> bool:
        return self._search is not None

    def is_in(self, skeleton: str) -> bool:
        """Whether any form is in it."""
        return self._search is not None and bool(
            self._search.find_matches_as_indexes(skeleton, overlapping=False)
        )

    def all_in(self, skeleton: str) -> list[tuple[int, int, int]]:
        """Number, begin and end of each, those within others included."""
        if self._search is None:
            return []
        return [
            (self._numbers[pattern], begin, end)
            for pattern, begin, end in self._search.find_matches_as_indexes(
                skeleton, overlapping=True
            )
        ]


def _ends_word(skeleton: str, end: int, kind: Kind) -> bool:
    if skeleton.startswith(GAP, end):
        return True
    if kind != "person":
        return False
    return any(skeleton.startswith(ending + GAP, end) for ending in _ENDINGS)


def _marks_before(text: str, start: int, end: int) -> int:
    """How many marks before a telephone number are its own: + before a country, ( around an area code."""
    before = text[start - 1 : start]
    return before == "+" or (before == "(" and ")" in text[start:end])


def _joined(text: str, position: int) -> bool:
    """Whether a letter or digit stands there, which makes it a part of something longer."""
    return 0 <= position < len(text) and text[position].isalnum()

"""Recognises one sort of identifier by its shape, its checksum and the words beside it."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TypedDict, Unpack

from backend_adapter.egress.detect.context import OTHER_NUMBERS, Occurrences, Words
from backend_adapter.egress.detect.hits import CHECKED, LABELLED, NUMBER, SHAPED, Hit
from backend_adapter.egress.detect.identifiers import presidio
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import View, matches


@dataclass(frozen=True, slots=True)
class Identifier:
    """One sort of identifier.

    `alone` says whether a value is recognised without a word beside it: where there is a checksum, when it holds;
    `within` is then the part of a text that it is searched in. With a label directly before it a value is
    recognised even if its checksum is wrong, because somebody mistyped it, unless it is `strict`. After a word of
    `others` it is the number of something else.
    """

    category: str
    pattern: re.Pattern[str]
    words: Words
    check: Callable[[str], bool] | None = None
    alone: bool = False
    strict: bool = False
    others: Words = OTHER_NUMBERS
    within: Callable[[Scan], View | None] = attrgetter("numbers")

    def hits(self, scan: Scan) -> Iterator[Hit]:
        """All values of this sort in a text."""
        view = self.within(scan) if self.alone else scan.near(self.words)
        for match, start in matches(self.pattern, view):
            end = start + len(match[0])
            if (weight := self._weight(scan.occurrences, match[0], start, end)) is not None:
                yield Hit(start, end, self.category, weight)

    def _weight(self, beside: Occurrences, value: str, start: int, end: int) -> int | None:
        checked = self.check is not None and self.check(value)
        if beside.label(self.words, start) and (checked or not self.strict):
            return LABELLED
        if beside.of_other_numbers(start, self.others) or (self.check is not None and not checked):
            return None
        if beside.near(self.words, start, end):
            return CHECKED if checked else SHAPED
        if self.alone:
            return CHECKED if checked else NUMBER
        return None


def near_digits(scan: Scan) -> View | None:
    """Around every digit: for what has fewer than six in a row."""
    return scan.digits


def near_tokens(scan: Scan) -> View | None:
    """Around what is longer than a word."""
    return scan.tokens


class How(TypedDict, total=False):
    """How a sort of identifier is recognised, where it is not as most are: see `Identifier`."""

    alone: bool
    strict: bool
    others: Words
    within: Callable[[Scan], View | None]


def shaped(
    category: str,
    pattern: str,
    words: Words,
    check: Callable[[str], bool] | None = None,
    **how: Unpack[How],
) -> Identifier:
    """A sort that has this shape; the case of letters counts."""
    return Identifier(category, re.compile(pattern), words, check, **how)


def of_presidio(
    category: str, recogniser: str, words: Words, *, checked: bool = False, **how: Unpack[How]
) -> Identifier:
    """A sort that has the shape of Presidio's recogniser, and its checksum if `checked`."""
    check = presidio.checksum(recogniser) if checked else None
    return shaped(category, presidio.union(recogniser), words, check, **how)

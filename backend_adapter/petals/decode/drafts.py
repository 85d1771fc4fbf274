"""Guesses at what comes next, which one round trip can check: what was said before is often said again.

Saxena, "Prompt Lookup Decoding" (2023); Yang et al., "Inference with Reference" (2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# How many tokens two places must have in common, from the longest key to the shortest.
_KEYS = (8, 4, 2)
# Of the places with the same key, so many of the latest are compared further.
_CANDIDATES = 8
_LONGEST_MATCH = 48


@dataclass(frozen=True)
class Draft:
    """Tokens that may come next, and how they were found: drafts of the same `kind` are equally often right.

    `drafting_s` are the seconds that each of them took; 0 for a look-up.
    """

    ids: tuple[int, ...] = ()
    kind: str = ""
    drafting_s: float = 0.0


class Drafter(Protocol):
    """Somebody who guesses."""

    def extend(self, ids: Sequence[int]) -> None:
        """What the sequence is continued by: the prompt first, then what was said for certain."""
        ...

    def propose(self, most: int) -> Draft:
        """At most `most` tokens that may come next; none if there is no guess."""
        ...


class NGrams:
    """Looks for the latest place where the end of the sequence stood before, and proposes what stood behind it.

    The index grows with the sequence: each token costs a few insertions, a proposal a few look-ups.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._places: dict[tuple[int, ...], list[int]] = {}

    def extend(self, ids: Sequence[int]) -> None:
        """See Drafter."""
        known, sequence, places = len(self._ids), self._ids, self._places
        sequence.extend(ids)
        for length in _KEYS:
            # A place is known by what follows it, so the last key is entered when the next token comes.
            for end in range(max(length, known), len(sequence)):
                places.setdefault(tuple(sequence[end - length : end]), []).append(end)

    def propose(self, most: int) -> Draft:
        """See Drafter; the kind tells how much the two places have in common."""
        sequence = self._ids
        for length in _KEYS:
            if len(sequence) < length:
                continue
            found = self._places.get(tuple(sequence[-length:]))
            if found:
                place, common = max(
                    ((each, self._common(each, length)) for each in found[-_CANDIDATES:]),
                    key=lambda each: (each[1], each[0]),
                )
                return Draft(self._behind(place, most), f"ngram{_grade(common)}")
        return Draft()

    def _common(self, place: int, known: int) -> int:
        """How many tokens before `place` are those at the sequence's end."""
        sequence, end, common = self._ids, len(self._ids), known
        while (
            common < min(place, _LONGEST_MATCH)
            and sequence[place - common - 1] == sequence[end - common - 1]
        ):
            common += 1
        return common

    def _behind(self, place: int, most: int) -> tuple[int, ...]:
        """What follows `place`; a sequence that repeats itself goes on doing so."""
        behind = self._ids[place : place + most]
        period = len(behind)
        while len(behind) < most:
            behind.append(behind[len(behind) - period])
        return tuple(behind)


class FirstOf:
    """Asks one drafter after the other until one has a guess."""

    def __init__(self, *drafters: Drafter) -> None:
        self._drafters = drafters

    def extend(self, ids: Sequence[int]) -> None:
        """See Drafter."""
        for drafter in self._drafters:
            drafter.extend(ids)

    def propose(self, most: int) -> Draft:
        """See Drafter."""
        for drafter in self._drafters:
            draft = drafter.propose(most)
            if draft.ids:
                return draft
        return Draft()


def _grade(common: int) -> int:
    """Matches of about the same worth."""
    return next(grade for grade in (24, 12, 8, 6, 4, 3, 2) if common >= grade)

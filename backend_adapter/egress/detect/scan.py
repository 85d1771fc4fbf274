"""One text, and what all recognisers want to know of it: computed once, when the first one asks."""

import re
from collections.abc import Iterator
from functools import cached_property

from backend_adapter.egress.detect.context import (
    AFTER,
    BEFORE,
    Lexicon,
    Occurrences,
    Words,
    lowered,
)
from backend_adapter.egress.detect.views import View, around

# The longest identifier with its blanks.
_LONGEST = 48
# As many digits as the shortest identifier has that is recognised without a word beside it.
# A run of hundreds is none.
_NUMBER = re.compile(r"\d(?:[ ./()-]{0,3}\d){5,}+")
_DIGITS = re.compile(r"\d+")
_TOKEN = re.compile(r"[A-Za-z0-9_+/=.:-]{18,}+")


class Scan:
    """A text that is looked through; `lexicon` knows the words of all recognisers."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text = text
        self._lexicon = lexicon

    @cached_property
    def lower(self) -> str:
        """The text in small letters, each where it was."""
        return lowered(self.text)

    @cached_property
    def occurrences(self) -> Occurrences:
        """Where the recognisers' words stand."""
        return self._lexicon.find(self.lower)

    @cached_property
    def numbers(self) -> View | None:
        """Around what has six digits or more."""
        return around(self.text, _spans(_NUMBER, self.text), BEFORE, AFTER + _LONGEST)

    @cached_property
    def digits(self) -> View | None:
        """Around every digit."""
        return around(self.text, _spans(_DIGITS, self.text), BEFORE, AFTER + _LONGEST)

    @cached_property
    def tokens(self) -> View | None:
        """Around what is longer than a word."""
        return around(self.text, _spans(_TOKEN, self.text), BEFORE, AFTER + _LONGEST)

    def around(self, needed: re.Pattern[str], before: int, after: int) -> View | None:
        """Around what a pattern finds."""
        return around(self.text, _spans(needed, self.text), before, after)

    def near(self, words: Words) -> View | None:
        """Around these words: as far as they speak of something."""
        spans = self.occurrences.spans(words)
        if not spans:
            return None
        return around(self.text, spans, AFTER + _LONGEST, BEFORE + _LONGEST + AFTER)


def _spans(needed: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in needed.finditer(text))

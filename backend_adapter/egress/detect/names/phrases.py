"""Tells phrases of ordinary words from names that nobody listed, where each word has a capital letter: Blue Widget.

`ordinary_words.txt` has words in small letters: English ones, and German ones that begin a phrase. Some are first
names or surnames as well, so that the place in a row counts.
"""

import re
from collections.abc import Sequence
from functools import cache

from backend_adapter.egress.detect.names.letters import PART
from backend_adapter.egress.detect.names.lexicon import gender_of_first, is_common, is_surname
from backend_adapter.egress.detect.word_lists import lines

_ROW = re.compile(rf"{PART}(?: {PART})+")


def is_phrase(words: Sequence[str]) -> bool:
    """Whether two words or more are all ordinary: no first name leads them, and no surname ends them."""
    return (
        len(words) > 1
        and all(word.lower() in _ordinary_words() or is_common(word) for word in words)
        and gender_of_first(words[0]) is None
        and not is_surname(words[-1])
    )


def phrase_end(text: str, start: int) -> int | None:
    """Where the phrase ends that all words with capital letters from here on are; None if they are none."""
    row = _ROW.match(text, start)
    return row.end() if row and is_phrase(row[0].split(" ")) else None


@cache
def _ordinary_words() -> frozenset[str]:
    return frozenset(lines(__package__, "ordinary_words.txt"))

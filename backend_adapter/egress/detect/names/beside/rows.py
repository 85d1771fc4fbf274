"""Reads the name in a row of words with capital letters, of which the first ones may be none of it."""

import re

from backend_adapter.egress.detect.names.announced import GREETINGS
from backend_adapter.egress.detect.names.beside.cues import ROLE_WORD
from backend_adapter.egress.detect.names.firms import FIRM, FIRM_WORD
from backend_adapter.egress.detect.names.letters import PART, UPPER
from backend_adapter.egress.detect.names.lexicon import (
    gender_of_first,
    is_common,
    is_doubtful,
    roles,
    stop_words,
    titles,
)
from backend_adapter.egress.detect.names.phrases import is_phrase

_PARTICLE = (
    r"(?:von|van|vom|zu|zum|zur|de|del|della|di|da|dos|den|der|ten|ter|la|al|el|bin|ibn|af|av)"
)
_ROW = re.compile(
    rf"[{UPPER}](?<![\w@/.\\-].)(?<!\w['’].)(?:\.|(?:[^\W\d_]|['’](?=\w)|-(?=[{UPPER}]))+)"
    rf"(?:(?: (?:(?:{_PARTICLE} ){{0,2}}{PART}|[{UPPER}]\.(?= ))){{1,4}}"
    rf"|\r?\n[ \t>]{{0,4}}{PART}(?! [{UPPER}]))(?![\w@])(?!\.\w)"
)
_WORDS = re.compile(rf"{PART}|[{UPPER}]\.|{_PARTICLE}")


def rows(text: str) -> list[tuple[int, int]]:
    """Where in a text two or more words in a row have capital letters."""
    return [match.span() for match in _ROW.finditer(text)]


def name_in(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where in a row of words a name is, if one may be there."""
    if FIRM.match(text, end):
        return None
    words = [(one.start(), one[0]) for one in _WORDS.finditer(text, start, end)]
    words = words[_first_of_name(words) :]
    name = [word for _, word in words if word[0].isupper() and len(word) > 2]
    if len(words) < 2 or not name or not _may_be_name(name):
        return None
    return words[0][0], _without_s(text, end)


def _first_of_name(words: list[tuple[int, str]]) -> int:
    """Which word of a row the name may begin with: not a role, a noun, or what a sentence begins with."""
    first = 0
    while first < len(words) - 1:
        word = words[first][1]
        if not (
            word in roles()
            or word in titles()
            or word in GREETINGS
            or word in stop_words()
            or ROLE_WORD.fullmatch(word)
            or (word[0].isupper() and len(word) > 2 and is_common(word))
        ):
            break
        first += 1
    return first


def _may_be_name(words: list[str]) -> bool:
    if any(word in stop_words() or FIRM_WORD.search(word) for word in words):
        return False
    if words[-1].isupper() or is_phrase(words):
        return False
    if gender_of_first(words[0]) is not None:
        return True
    return not is_doubtful(words[0]) and not any(is_common(word) for word in words)


def _without_s(text: str, end: int) -> int:
    return end - 2 if text[end - 2 : end] in ("'s", "’s") else end

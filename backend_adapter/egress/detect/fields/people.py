"""Reads the names in a field for people: one, several, or a part of one; also such that nothing else gives away."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.hits import LABELLED, Hit
from backend_adapter.egress.detect.names.letters import UPPER
from backend_adapter.egress.detect.names.lexicon import gender_of_first, is_common, is_surname
from backend_adapter.egress.detect.names.phrases import phrase_end
from backend_adapter.egress.detect.names.reading import Name, name_at

# What stands before each of a list.
BULLET = re.compile(r"[ \t]{0,4}[-*•–][ \t]{0,3}")
_BETWEEN_NAMES = re.compile(
    r"[ \t]{0,3}(?:\([^)\n]{0,48}\))?[ \t]{0,3}(?:[,;/&+|]|und\b|and\b|sowie\b|\r?\n(?=[ \t]{0,4}[-*•–]))"
    r"[ \t]{0,3}(?:und |and )?(?:[-*•–][ \t]{0,2})?",
    re.IGNORECASE,
)
# What is no name, but a word that says what follows it: Tel.: 0351.
_IS_LABEL = re.compile(r"(?:\.?:|\.(?= ?[\d+(])|[ \t]+[+(]?\d)")
# A whole cell such as Lindau, Eckehard: also where the surname is a word or a town besides.
_CELL_PART = rf"[{UPPER}](?:[^\W\d_]|['’-](?=\w))+"
_SURNAME_FIRST = re.compile(
    r"(?:[A-ZÄÖÜ][\w-]+ )?(?:(?:von|van|zu|vom|zum|zur|de|der|den|la|di|del) ){0,3}"
    rf"{_CELL_PART}, ?{_CELL_PART}(?: [{UPPER}](?:[^\W\d_]+|\.))?"
)
_ANY_SURNAME = re.compile(
    rf" [{UPPER}][^\W\d_]+(?=[ \t]*(?:[,;()|<\"\r\n]|$)|\.\s| (?:aus|from|in|und|and|hat|has|is|ist)\b)"
)
_MOST_PEOPLE = 100


def people_in_field(sort: str, text: str, start: int, end: int, *, whole: bool) -> Iterator[Hit]:
    """The names at [start, end) of a text; `whole` if nothing else stands there."""
    if bullet := BULLET.match(text, start, end):
        start = bullet.end()
    # In quotes or a cell there is nothing after it; otherwise a list may go on in the next lines.
    limit = end if whole and text[end : end + 1] != "\n" else len(text)
    after_phrase = False
    for number in range(_MOST_PEOPLE):
        # What is no name may stand in a list of them, and then a word alone says less.
        stop = phrase_end(text, start)
        if stop is None:
            name = name_at(text, start, limit if sort == "people" else end)
            if number == 0 and whole and _is_whole_name(sort, text[start:end], name, start):
                yield Hit(start, end, "PERSON", LABELLED)
                return
            if name is None:
                return
            word = text[name.start : name.end]
            single = name.last == name.start
            unlisted = not (gender_of_first(word) or is_surname(word))
            if single and unlisted and (sort == "name" or after_phrase):
                return
            if single and number and (is_common(word) or _IS_LABEL.match(text, name.end)):
                return
            stop = _with_any_surname(text, name)
            yield Hit(name.start, stop, "PERSON", LABELLED)
        else:
            after_phrase = True
        if sort != "people":
            return
        following = _BETWEEN_NAMES.match(text, stop)
        if following is None or (following.end() > end and "\n" not in following[0] and whole):
            return
        start = following.end()


def _is_whole_name(sort: str, value: str, name: Name | None, start: int) -> bool:
    """Whether all that stands in a field from `start` on is one name; `name` is what could be read of it."""
    if name is not None:
        return _is_turned(value, name.end - start)
    return (
        (sort == "part" and value.isalpha())
        or _is_small_name(value)
        or _SURNAME_FIRST.fullmatch(value) is not None
        or _is_full(value)
    )


def _with_any_surname(text: str, name: Name) -> int:
    """Where a name ends with the word behind it, which between two commas is a surname as well: Grace Field."""
    more = _ANY_SURNAME.match(text, name.end)
    if more is None:
        return name.end
    single_first = name.last == name.start and gender_of_first(text[name.start : name.end])
    return more.end() if single_first or not is_common(more[0].strip()) else name.end


def _is_turned(value: str, end: int) -> bool:
    """Whether it goes on at `end` with a first name that nobody listed: Freifrau von Hohenfels, Xaveriane."""
    given = value.partition(",")[2].strip()
    return (
        end <= value.find(",")
        and _SURNAME_FIRST.fullmatch(value) is not None
        and not (is_surname(given) or is_common(given))
    )


def _is_full(value: str) -> bool:
    """Whether it is a listed first name with a surname that is a word besides."""
    words = value.split(" ")
    return (
        2 <= len(words) <= 3
        and gender_of_first(words[0]) is not None
        and all(word[:1].isupper() and word.replace("-", "").isalpha() for word in words)
    )


def _is_small_name(value: str) -> bool:
    """Whether it is a name that nobody wrote the capital letters of."""
    words = value.split()
    return (
        2 <= len(words) <= 4
        and value.islower()
        and gender_of_first(words[0].capitalize()) is not None
        and all(word.replace("-", "").isalpha() for word in words)
    )

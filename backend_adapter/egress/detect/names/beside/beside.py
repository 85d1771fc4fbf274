"""Recognises names that nobody listed by what stands beside them: whoever has an address, a telephone or an age.

Two words with capital letters in a row are a name where somebody reports, is asked, lives or was born there. A
verb of speech, a preposition after a deed, a role, or another value that was recognised already says so.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

from backend_adapter.egress.detect.hits import NAME, Hit
from backend_adapter.egress.detect.names.announced import GREETINGS
from backend_adapter.egress.detect.names.beside.cues import (
    BETWEEN,
    DOCUMENTS,
    FOLLOWS,
    LAST_OF_LEADS,
    LEADS,
    LISTED,
    PREPOSITIONS,
    ROLE_WORD,
    SPEAKS_AT,
)
from backend_adapter.egress.detect.names.beside.rows import name_in, rows
from backend_adapter.egress.detect.names.firms import FIRM_WORD
from backend_adapter.egress.detect.names.lexicon import gender_of_first, is_doubtful, roles, towns

# The categories whose values belong to a person.
_TELLING = frozenset(
    {"EMAIL", "PHONE", "ADDRESS", "BIRTH_DATE", "IBAN", "US_SSN", "DE_TAX_ID", "DE_SOCIAL_SECURITY"}
)
_LONGEST_GAP = 48
_QUOTES = "'\"„“‚‘«»*_`("


def names_beside(text: str, hits: Sequence[Hit]) -> Iterator[Hit]:
    """Names beside what tells of a person; `hits` were found in the text before."""
    starts = sorted(hit.start for hit in hits if hit.category in _TELLING)
    ends = {hit.end for hit in hits if hit.category in _TELLING}
    candidates = rows(text)
    told: dict[int, tuple[int, int]] = {}
    for place, (start, end) in enumerate(candidates):
        # What stands beside it is looked at first: that is quicker than to look up the words.
        in_brackets = start - 2 in ends and text[start - 2 : start] + text[end : end + 1] == " ()"
        if (
            in_brackets
            or _is_led(text, start, end)
            or _acts(text, start, end)
            or _has_value(text, start, end, starts)
            or _follows_role(text, start)
        ) and (name := name_in(text, start, end)):
            told[place] = name
    for place in [*told]:
        for step in (-1, 1):
            _with_others(text, candidates, told, place, step)
    for start, end in told.values():
        yield Hit(start, end, "PERSON", NAME + 1)


def _follows_role(text: str, start: int) -> bool:
    """Whether the row itself begins with what somebody is, or is about somebody."""
    end = text.find(" ", start, start + 24)
    word = text[start:end].rstrip(".") if end > 0 else ""
    return (
        word in roles()
        or word in GREETINGS
        or word in DOCUMENTS
        or ROLE_WORD.fullmatch(word) is not None
    )


def _is_led(text: str, start: int, end: int) -> bool:
    """Whether what stands before says that a person follows."""
    before = text[max(start - 40, 0) : start].rstrip(_QUOTES)
    # Most words lead to nobody; only after these is the rest of the line looked at.
    last = before.rsplit(None, 1)[-1].lower() if before[-1:].isspace() and before.strip() else ""
    may_lead = last in LAST_OF_LEADS or last.endswith(",") or ROLE_WORD.fullmatch(last)
    if may_lead and LEADS.search(before):
        return True
    if last not in PREPOSITIONS:
        return False
    words = text[start:end].split()
    return (
        gender_of_first(words[0]) is not None
        and not is_doubtful(words[-1])
        and FIRM_WORD.search(words[-1]) is None
    )


def _acts(text: str, start: int, end: int) -> bool:
    """Whether what follows is what only a person does or has."""
    if (after := FOLLOWS.match(text, end)) and (
        after["town"] is None or after["acts"] or after["town"] in towns()
    ):
        return True
    if text[end : end + 1] != ":":
        return False
    return SPEAKS_AT.search(text[max(start - 32, 0) : start]) is not None


def _has_value(text: str, start: int, end: int, starts: list[int]) -> bool:
    """Whether one of the values that begin at `starts` is of whoever stands here."""
    place = bisect_left(starts, end)
    if place == len(starts) or starts[place] - end > _LONGEST_GAP or starts[place] == end:
        return False
    gap = text[end : starts[place]]
    if not BETWEEN.fullmatch(gap) or not gap.strip(" "):
        return False
    if gap.lstrip(" \t")[:1] in ("\r", "\n"):
        # The line above an address is a name's if there is nothing else in it.
        return text[max(start - 1, 0) : start].strip(" ") in ("", "\n", ">") and not text[
            text.rfind("\n", 0, start) + 1 : start
        ].strip(" \t>")
    return True


def _with_others(
    text: str,
    candidates: list[tuple[int, int]],
    told: dict[int, tuple[int, int]],
    place: int,
    step: Literal[-1, 1],
) -> None:
    """Adds to those that are told the ones that stand in a list with one of them, before or after it."""
    while 0 <= (other := place + step) < len(candidates) and other not in told:
        left, right = min(place, other), max(place, other)
        if not LISTED.fullmatch(text, candidates[left][1], candidates[right][0]):
            return
        name = name_in(text, *candidates[other])
        if name is None:
            return
        told[other] = name
        place = other

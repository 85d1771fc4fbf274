"""Finds again, by surname or first name alone, those whose whole name stands elsewhere in a text."""

import re
from collections.abc import Iterator, Sequence

from backend_adapter.egress.detect.hits import NAME, Hit
from backend_adapter.egress.detect.names.firms import CALLED_AFTER, NO_PERSON
from backend_adapter.egress.detect.names.letters import LETTERS, UPPER
from backend_adapter.egress.detect.names.lexicon import (
    ambiguous_names,
    articles,
    common_words,
    is_common,
    surnames_and_words,
)
from backend_adapter.egress.detect.names.reading import Name

_INITIAL_BEFORE = re.compile(rf"(?<!\w)[{UPPER}]\. ?$")
_MAIL_OF_PERSON = re.compile(r"([^\W\d_]{3,})[._]([^\W\d_]{3,})(?:\d{0,4}|\+[\w-]+)@")
_UMLAUTS = {"Ae": "Ä", "ae": "ä", "Oe": "Ö", "oe": "ö", "Ue": "Ü", "ue": "ü"}


def repeated(
    text: str, words: list[tuple[int, str]], found: list[Name], told: Sequence[Hit]
) -> Iterator[Hit]:
    """Those of the words of a text that are a part of a name: of one that was `found` or `told`."""
    parts = _parts_of_found(text, found) | _parts_of_told(text, told)
    if not parts:
        return
    covered = sorted([*found, *(Name(hit.start, hit.end, hit.start) for hit in told)])
    place = 0
    for start, word in words:
        while place < len(covered) and covered[place].end <= start:
            place += 1
        if place < len(covered) and covered[place].start <= start:
            continue
        bare = word[:-2] if word[-2:] in ("'s", "’s") else word
        if bare not in parts:
            if bare[-1:] != "s" or bare[:-1] not in parts:
                continue
            bare = bare[:-1]
        after = start + len(bare)
        before = text[max(start - 10, 0) : start]
        last = before.rsplit(None, 1)[-1].lower() if before.strip() else ""
        if last in articles() or CALLED_AFTER.search(before) or NO_PERSON.match(text, after):
            continue
        initial = _INITIAL_BEFORE.search(before)
        begin = start - len(initial[0]) if initial else start
        yield Hit(begin, after, "PERSON", NAME - 5)


def _parts_of_found(text: str, found: list[Name]) -> set[str]:
    return {
        part
        for name in found
        for part in LETTERS.findall(text[name.start : name.end])
        if _may_stand_alone(part) and part not in common_words()
    }


def _parts_of_told(text: str, told: Sequence[Hit]) -> set[str]:
    """The field of a form has a name for certain, but the word may be another one elsewhere."""
    parts: set[str] = set()
    for hit in told:
        value = text[hit.start : hit.end]
        parts.update(_of_mail(value) if hit.category == "EMAIL" else LETTERS.findall(value))
    return {
        part
        for part in parts
        if _may_stand_alone(part) and not is_common(part) and part not in surnames_and_words()
    }


def _may_stand_alone(part: str) -> bool:
    return len(part) > 2 and part[0].isupper() and part not in ambiguous_names()


def _of_mail(address: str) -> list[str]:
    """First name and surname of an address of mail such as anna.mueller@…; none where it has something else."""
    match = _MAIL_OF_PERSON.match(address)
    words = [word.capitalize() for word in match.groups()] if match else []
    if any(is_common(word) or word.lower() == "reply" for word in words):
        return []
    umlauts = [re.sub("[AaOoUu]e", lambda two: _UMLAUTS[two[0]], word) for word in words]
    return [*words, *umlauts]

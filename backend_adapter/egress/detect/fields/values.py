"""Reads what stands in a field whose name tells what it is."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.contacts.phones import is_phone_value
from backend_adapter.egress.detect.dates.forms import DATE
from backend_adapter.egress.detect.fields.people import people_in_field
from backend_adapter.egress.detect.hits import LABELLED, SHAPED, Hit
from backend_adapter.egress.detect.secrets.passwords import is_password_value

_DATE = re.compile(DATE, re.IGNORECASE)
_ADDRESS = re.compile(r"(?:(?!_)[\w .,'’/()#&\n\r–-])+")
_LONGEST_ADDRESS = 120
_CODE = re.compile(r"[A-ZÄÖÜ0-9](?:[A-ZÄÖÜ0-9]|[ ./-](?=[A-ZÄÖÜ0-9])){3,34}")


def value_hits(sort: str, text: str, start: int, end: int, *, whole: bool) -> Iterator[Hit]:
    """What stands at [start, end) of a text as the value of such a field; `whole` if nothing else stands there."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return
    if sort in ("people", "part", "name"):
        yield from people_in_field(sort, text, start, end, whole=whole)
    elif sort == "BIRTH_DATE":
        # May 26, 2018 has a comma that is none between two cells.
        if match := _DATE.match(text, start):
            yield Hit(match.start(), match.end(), sort, LABELLED)
    elif sort == "PHONE":
        if length := is_phone_value(text[start:end]):
            yield Hit(start, start + length, sort, LABELLED)
    elif sort == "ADDRESS":
        if whole and _is_address(text[start:end]):
            yield Hit(start, end, sort, SHAPED)
    elif sort == "PASSWORD":
        if whole and is_password_value(text[start:end]):
            yield Hit(start, end, sort, LABELLED)
    else:
        match = _CODE.match(text, start, end)
        # A number plate has one digit at least, any other identifier more.
        least = 1 if sort == "DE_KFZ" else 3
        if (
            match
            and sum(each.isdigit() for each in match[0]) >= least
            and (not whole or match.end() == end)
        ):
            yield Hit(match.start(), match.end(), sort, LABELLED)


def _is_address(value: str) -> bool:
    return (
        any(each.isdigit() for each in value)
        and any(each.isalpha() for each in value)
        and len(value) <= _LONGEST_ADDRESS
        and _ADDRESS.fullmatch(value) is not None
    )

"""Recognises telephone numbers.

phonenumbers (libphonenumber's data) says whether one may exist.
"""

import re
from collections.abc import Iterator

import phonenumbers

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import CHECKED, NUMBER, Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import View, matches

_WORDS = Words(
    "telefon", " tel", "fon:", "mobil", "handy", " fax", "telefax", "rufnummer", "durchwahl", "hotline",
    "anruf", "anzurufen", "rufen", "rückruf", "zurückrufen", "erreich", "phone", " call", " cell",
    "whatsapp", "signal", "festnetz", "☎", "📞", "dial", " sms ", "contact number", "reach me", "reach him",
    "reach her", "ruf mich", "rückfragen", " fon ", " t: ", " m: ", " f: ",
)  # fmt: skip
WORDS = (_WORDS,)

_EXTENSION = r"(?:\s?(?:x|ext\.?|durchwahl|dw\.?)\s?\d{1,6}|-\d{1,4})?"
# For callers from abroad: + or 00, a country, and the rest in any groups.
_ABROAD = re.compile(
    r"(?:\+|00(?<![\w.,/-]00))(?<![\w+]\+) ?[1-9]\d{0,2}[ ./-]{0,2}(?:\(\d{1,5}\)[ ./-]{0,2})?\d{1,12}"
    rf"(?:[ ./-]{{1,3}}\d{{1,9}}){{0,6}}(?!\d){_EXTENSION}(?!\w|[.,:]\d)",
    re.IGNORECASE,
)
# A German or Austrian number at home: 0, an area, and the rest.
_AT_HOME = re.compile(
    r"(?:0(?<![\w.,/+§-]0)(?<!\d 0)|\((?=0)(?<!\w\()0{1,2})[1-9]\d{1,4}\)?(?P<gap>[ ]?[/ -][ ]?|(?<=\)))?"
    r"\d{2,9}(?:[ ./-]\d{1,6}){0,4}"
    rf"(?!\d){_EXTENSION}(?!\w|[.,:/]\d)",
    re.IGNORECASE,
)
# North America's.
_AMERICAN = re.compile(
    r"(?<![\w./#-])(?:(?:\+?1|001)[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.-])\d{3}[ .-]\d{4}"
    r"(?: ?(?:x|ext\.?) ?\d{1,6})?(?!\w|[.,-]\d)",
    re.IGNORECASE,
)
# Beside a word for it: whatever is grouped like one.
_NAMED = re.compile(
    r"[+(\d](?<![\w.,/+(-].)[\d()]{1,14}(?:[ ./()-]{1,3}\d{1,12}){0,6}\)?(?!\d)"
    rf"{_EXTENSION}(?!\w|[.,:]\d)",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:0?[1-9]|[12]\d|3[01])[./ -](?:0?[1-9]|1[0-2])[./ -](?:19|20)?\d{2}(?!\d)|(?:19|20)\d{2}-\d{2}-\d{2}"
)
_DIRECTLY = re.compile(
    r"(?:tel(?:efon|\.|efonnummer|ephone)?|fon|mobil\w*|handy\w*|fax|telefax|\w*phone|cell|call|rufnummer|durchwahl|hotline|"
    r"nummer|unter|at|nr|no|☎|📞|\bt|\bm|\bf)[\s.:/()nr-]{0,8}$",
    re.IGNORECASE,
)


def is_phone_value(value: str) -> int:
    """How many characters of the value of a field for telephone numbers are one; 0 for none."""
    match = _NAMED.match(value)
    if match is None or _DATE.match(match[0]):
        return 0
    return len(match[0]) if 4 <= sum(each.isdigit() for each in match[0]) <= 17 else 0


def phones(scan: Scan) -> Iterator[Hit]:
    """The telephone numbers in a text."""
    beside = scan.occurrences
    for match, start in _numbers(scan.numbers):
        end = start + len(match[0])
        near = beside.near(_WORDS, start, end)
        if beside.of_other_numbers(start) and not beside.label(_WORDS, start):
            continue
        if _SORTS[match.re](match, near):
            yield Hit(start, end, "PHONE", NUMBER + (3 if near else 0))
    for match, start in matches(_NAMED, scan.near(_WORDS)):
        if not 5 <= sum(each.isdigit() for each in match[0]) <= 17:
            continue
        end = start + len(match[0])
        directly = _DIRECTLY.search(scan.text[max(start - 24, 0) : start])
        if not directly or _DATE.match(match[0]):
            continue
        if beside.label(_WORDS, start) or (
            beside.near(_WORDS, start, end) and not beside.of_other_numbers(start)
        ):
            yield Hit(start, end, "PHONE", CHECKED - 2)


def _numbers(view: View | None) -> Iterator[tuple[re.Match[str], int]]:
    for pattern in _SORTS:
        for match, start in matches(pattern, view):
            if not _DATE.match(match[0].lstrip("(")):
                yield match, start


def _may_be_abroad(match: re.Match[str], near: bool) -> bool:
    number = re.split(r"(?i)\s?(?:x|ext)", match[0])[0].replace("(0)", "")
    if not number.startswith("+"):
        number = f"+{number[2:].lstrip()}"
    digits = sum(each.isdigit() for each in number)
    if not 8 <= digits <= 16:
        return False
    if match[0].startswith("+"):
        # Nothing else begins with it; whether the area exists may change.
        return digits >= 9 or near
    return near or _is("valid", number)


def _may_be_at_home(match: re.Match[str], near: bool) -> bool:
    number = match[0].replace("/", " ")
    digits = sum(each.isdigit() for each in number)
    if not 7 <= digits <= 14:
        return False
    if near:
        return True
    if match["gap"] is not None:
        return digits >= 8 and _is("possible", number)
    # A row of digits is a number of something; a mobile phone's has a form of its own.
    return re.match(r"01[567]\d{8,10}$", number) is not None


def _may_be_american(match: re.Match[str], near: bool) -> bool:
    return True


_SORTS = {_ABROAD: _may_be_abroad, _AT_HOME: _may_be_at_home, _AMERICAN: _may_be_american}


def _is(what: str, number: str) -> bool:
    try:
        parsed = phonenumbers.parse(number, "DE")
    except phonenumbers.NumberParseException:
        return False
    if what == "valid":
        return phonenumbers.is_valid_number(parsed)
    return phonenumbers.is_possible_number(parsed)

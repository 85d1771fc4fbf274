"""In which forms a value may stand in a text, as skeletons to be searched for."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Literal, TypeAlias

from backend_adapter.egress.skeleton import BAR, GAP, compact, words

# What a value is, as the one who labels it says. A `code` is anything whose grouping says nothing: a customer's
# number, a licence plate; a `secret` opens something: a password, a key.
Kind: TypeAlias = Literal[
    "person", "text", "address", "code", "iban", "phone", "email", "date", "secret"
]

_BY_WORDS = frozenset({"person", "text", "address", "email"})
# Month names by number, German and English.
_MONTHS: tuple[tuple[str, ...], ...] = (
    ("januar", "january", "jänner", "jan"),
    ("februar", "february", "feb"),
    ("märz", "march", "mar", "mär"),
    ("april", "apr"),
    ("mai", "may"),
    ("juni", "june", "jun"),
    ("juli", "july", "jul"),
    ("august", "aug"),
    ("september", "sep", "sept"),
    ("oktober", "october", "okt", "oct"),
    ("november", "nov"),
    ("dezember", "december", "dez", "dec"),
)
_NOT_DIGITS = re.compile(r"[^\d+]")
# Country calling codes begin a number written for abroad; without one it is Germany's.
_HOME = "49"


def by_words(kind: Kind) -> bool:
    """Whether it is searched for word by word, and not by its letters and digits alone."""
    return kind in _BY_WORDS


def forms(kind: Kind, value: str) -> frozenset[str]:
    """The skeletons of all forms of a value: with GAPs at their beginning where it is searched for by words.

    Empty for a value without a letter or digit.
    """
    found = _of_words(kind, value) if by_words(kind) else _of_code(kind, value)
    return frozenset(form for form in found if form.strip(GAP + BAR))


def _of_words(kind: Kind, value: str) -> Iterator[str]:
    whole = words(value).rstrip(GAP)
    yield whole
    if kind != "person":
        return
    parts = [part for part in whole.split(GAP) if part and part != BAR]
    # Hans-Peter is Hanspeter as well.
    if len(parts) > 1 and "-" in value:
        yield GAP + _without_hyphens(value)
    if len(parts) > 1 and BAR not in whole:
        first, last = GAP.join(parts[:-1]), parts[-1]
        yield f"{GAP}{last}{GAP}{BAR}{GAP}{first}"
        yield f"{GAP}{last}{GAP}{first}"


def _without_hyphens(value: str) -> str:
    return words(value.replace("-", "")).strip(GAP)


def _of_code(kind: Kind, value: str) -> Iterator[str]:
    if kind == "date":
        yield from _of_date(value)
    elif kind == "phone":
        yield from _of_phone(value)
    yield compact(words(value))


def _of_phone(value: str) -> Iterator[str]:
    """A number for callers at home and abroad: 0351 488 9988, +49 351 4889988, 0049 (0)351 4889988."""
    digits = _NOT_DIGITS.sub("", value.replace("(0)", ""))
    if digits.startswith("+"):
        country, rest = digits[1:3], digits[3:]
    elif digits.startswith("00"):
        country, rest = digits[2:4], digits[4:]
    elif digits.startswith("0"):
        country, rest = _HOME, digits[1:]
    else:
        return
    yield f"0{rest}"
    for zero in ("", "0"):
        yield from (f"{country}{zero}{rest}", f"00{country}{zero}{rest}")


def _of_date(value: str) -> Iterator[str]:
    """A date in the orders and with the month names of German and English; `value` is an ISO date."""
    try:
        day = date.fromisoformat(value.strip()[:10])
    except ValueError:
        return
    days = {f"{day.day}", f"{day.day:02}"}
    months = {f"{day.month}", f"{day.month:02}"}
    names = {compact(words(name)) for name in _MONTHS[day.month - 1]}
    years = {f"{day.year}", f"{day.year % 100:02}"}
    for year in years:
        for d in days:
            for m in months:
                yield from (f"{d}{m}{year}", f"{m}{d}{year}", f"{year}{m}{d}")
            for name in names:
                yield from (f"{d}{name}{year}", f"{name}{d}{year}", f"{name}{d}{BAR}{year}")

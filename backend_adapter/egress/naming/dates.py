"""Dates as German and English write them: read, shifted, and written again in the style in which one stood.

Sources: ISO 8601, DIN 5008 (05.03.1980, 5. März 1980).
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from backend_adapter.egress.months import ENGLISH, GERMAN, OTHERS, Language
from backend_adapter.egress.naming.codes import Drawn
from backend_adapter.egress.naming.folding import INVISIBLE, fold
from backend_adapter.egress.naming.shapes import Shape, either, literal, maybe, one, row, times

_NAMES: dict[Language, tuple[tuple[str, str], ...]] = {"de": GERMAN, "en": ENGLISH}
_MONTHS = {
    **{
        name: month
        for both in _NAMES.values()
        for month, each in enumerate(both, 1)
        for name in each
    },
    **OTHERS,
}
# May is as long as it gets.
_SHORT = {short for both in _NAMES.values() for full, short in both if short != full} | {
    "mrz",
    "sept",
}
# 05.03.80 is of the one century or the other.
_CENTURIES = (1900, 2000)
_YEARS = range(1000, 10_000)

_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_BETWEEN = r"\\{0,2}[./ -] ?"
# Each part is told by its name, what is between them stays as it was written.
_WRITTEN = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"(?P<y>\d{{4}}){_BETWEEN}(?P<m>\d\d?){_BETWEEN}(?P<d>\d\d?)",
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)",
        rf"(?P<d>\d\d?){_BETWEEN}(?P<m>\d\d?){_BETWEEN}(?P<y>\d{{4}}|\d\d)",
        rf"(?P<d>\d\d?)(?:\\?\.|(?P<nth>st|nd|rd|th))?[ -]?(?:of )?(?P<name>{_MONTH})\.?,?[ -]?(?P<y>\d{{4}}|\d\d)",
        rf"(?P<name>{_MONTH})\.?[ -]?(?P<d>\d\d?)(?P<nth>st|nd|rd|th)?,?[ -](?P<y>\d{{4}}|\d\d)",
    )
)

_DIGIT = one("[0-9]")
_UP_TO_TWO = times(_DIGIT, 1, 2)
_TWO_OR_FOUR = either(times(_DIGIT, 4, 4), times(_DIGIT, 2, 2))
_SPLIT = row(times(literal("\\"), 0, 2), one("[./ -]"), maybe(literal(" ")))
_NTH = maybe(
    either(row(maybe(literal("\\")), literal(".")), *map(literal, ("st", "nd", "rd", "th")))
)
_JOINT = maybe(one("[ -]"))
_NAME = either(*(literal(name) for name in sorted(_MONTHS, key=len, reverse=True)))
SHAPE: Shape = either(
    row(times(_DIGIT, 4, 4), _SPLIT, _UP_TO_TWO, _SPLIT, _UP_TO_TWO),
    times(_DIGIT, 8, 8),
    row(_UP_TO_TWO, _SPLIT, _UP_TO_TWO, _SPLIT, _TWO_OR_FOUR),
    row(
        row(_UP_TO_TWO, _NTH, _JOINT, maybe(literal("of "))),
        row(_NAME, maybe(literal(".")), maybe(literal(",")), _JOINT, _TWO_OR_FOUR),
    ),
    row(
        row(_NAME, maybe(literal(".")), _JOINT, _UP_TO_TWO, _NTH),
        row(maybe(literal(",")), one("[ -]"), _TWO_OR_FOUR),
    ),
)
"""All of them in a folded text; what it matches may still be none."""

STARTS = frozenset(name[0] for name in _MONTHS) | set("0123456789")
"""The characters that one begins with."""


@dataclass(frozen=True, slots=True)
class Written:
    """A date as it stands: what it may mean, and how another one is written like it."""

    text: str
    days: tuple[date, ...]
    parts: re.Match[str]

    def like(self, day: date, meant: date) -> str:
        """Another day in this style; `meant` is the one of `days` that this one is."""
        places = sorted(
            (name for name, part in self.parts.groupdict().items() if part is not None),
            key=self.parts.start,
        )
        swapped = "m" in places and int(self.parts["d"]) != meant.day
        said, begin = list[str](), 0
        for name in places:
            start, end = self.parts.span(name)
            said += [self.text[begin:start], self._part(name, day, swapped=swapped)]
            begin = end
        return "".join([*said, self.text[begin:]])

    def _part(self, name: str, day: date, *, swapped: bool) -> str:
        if name == "name":
            return self._month(day.month)
        if name == "nth":
            return _nth(day.day)
        if name == "y":
            return f"{day.year}" if len(self.parts["y"]) == 4 else f"{day.year % 100:02}"
        number = day.day if (name == "d") is not swapped else day.month
        return f"{number:02}" if self._padded else f"{number}"

    @property
    def _padded(self) -> bool:
        parts = [self.parts[name] for name in ("d", "m") if name in self.parts.groupdict()]
        if any(len(part) == 1 for part in parts):
            return False
        return len(parts) == 2 or parts[0].startswith("0")

    def _month(self, month: int) -> str:
        start, end = self.parts.span("name")
        name = self.parts["name"]
        full, short = _NAMES[self._language][month - 1]
        said = short if name in _SHORT else full
        stood = self.text[start:end]
        if stood.isupper():
            return said.upper()
        return said.capitalize() if stood[:1].isupper() else said

    @property
    def _language(self) -> Language:
        name = self.parts["name"]
        known: list[Language] = [
            language for language, names in _NAMES.items() if any(name in each for each in names)
        ]
        if len(known) == 1:
            return known[0]
        if not known:
            return "en" if name == "sept" else "de"
        # 5. August 1980, and August 5, 1980.
        after_day = self.parts.string[self.parts.end("d") :].lstrip("\\")
        return "de" if self.parts.start("d") == 0 and after_day.startswith(".") else "en"


def read(text: str) -> Written | None:
    """The date that a text is, None where it is none."""
    whole = text.strip()
    folded = fold(whole)
    if INVISIBLE in folded:
        return None
    for pattern in _WRITTEN:
        parts = pattern.fullmatch(folded)
        if parts is not None and (days := tuple(_days(parts))):
            return Written(whole, days, parts)
    return None


def _nth(number: int) -> str:
    """What English puts after a number: 1st, 2nd, 3rd, 4th, 11th."""
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 != 1 else 0, "th")


def _days(parts: re.Match[str]) -> Iterator[date]:
    """What it may mean; likelier ones first: in Germany the day stands before the month."""
    year, day = int(parts["y"]), int(parts["d"])
    named = "name" in parts.groupdict()
    month = _MONTHS[parts["name"]] if named else int(parts["m"])
    orders = [(month, day)]
    if not named and month != day:
        orders.append((day, month))
    for m, d in orders:
        for century in (0,) if len(parts["y"]) == 4 else _CENTURIES:
            if (found := _day(century + year, m, d)) is not None:
                yield found


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in _YEARS else None
    except ValueError:
        return None


# By how many weeks: so the day of the week stays, which may be said beside a date.
_FEWEST, _MOST = 4, 260
_TRIES = 64


def shift(drawn: Drawn, days: Collection[date]) -> timedelta:
    """By how much all dates of a chat are shifted: by as much, so that what is between two of them stays.

    None of `days` becomes another of them, nor one that has day and month the other way round.
    """
    known = {meaning for day in days for meaning in _swapped(day)}
    far = 0
    while True:
        for _ in range(_TRIES):
            weeks = _FEWEST + far + drawn.below(_MOST - _FEWEST + 1)
            by = timedelta(weeks=weeks if drawn.below(2) else -weeks)
            if known.isdisjoint(moved for day in days if (moved := shifted(day, by)) is not None):
                return by
        far += _MOST


def shifted(day: date, by: timedelta) -> date | None:
    """None where there is no such year."""
    try:
        moved = day + by
    except OverflowError:
        return None
    return moved if moved.year in _YEARS else None


def _swapped(day: date) -> Iterator[date]:
    yield day
    if (other := _day(day.year, day.day, day.month)) is not None:
        yield other

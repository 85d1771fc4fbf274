"""In which forms a date is written: the orders and the month names of German and English."""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache

from backend_adapter.egress.known.skeleton import BAR_TOKEN, tokens
from backend_adapter.egress.months import names_of

# The Roman numerals of the months.
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")


@lru_cache(maxsize=4096)
def forms_of_date(value: str) -> frozenset[bytes]:
    """Its words in each form; `value` is an ISO date, and what is none has no forms.

    Digits without a mark between them are a date only when they are eight: 5387 is a number.
    """
    try:
        day = date.fromisoformat(value.strip()[:10])
    except ValueError:
        return frozenset()
    return frozenset(form.encode() for form in (*_numeric(day), *_named(day), *_of_week(day)))


def _numeric(day: date) -> Iterator[str]:
    yield f"{day:%Y%m%d}"
    yield f"{day:%d%m%Y}"
    for year in _years(day):
        for d in {f"{day.day}", f"{day.day:02}"}:
            for m in {f"{day.month}", f"{day.month:02}"}:
                yield from (f"{d} {m} {year}", f"{m} {d} {year}", f"{year} {m} {d}")


def _named(day: date) -> Iterator[str]:
    bar = BAR_TOKEN.decode()
    written = {*names_of(day.month), _ROMAN[day.month - 1]}
    names = {b"".join(tokens(name)).decode() for name in written}
    days = {f"{day.day}", f"{day.day:02}", f"{day.day}{_ordinal(day.day)}"}
    for year in _years(day):
        for name in names:
            for d in days:
                yield from (
                    f"{d} {name} {year}",
                    f"{d} {name} {bar} {year}",
                    f"{name} {d} {year}",
                    f"{name} {d} {bar} {year}",
                    f"{year} {name} {d}",
                    f"{d}{name}{year}",
                )
            nth = f"{day.day}{_ordinal(day.day)}"
            yield from (f"{nth} of {name} {year}", f"{nth} of {name} {bar} {year}")


def _of_week(day: date) -> Iterator[str]:
    year, week, weekday = day.isocalendar()
    yield from (f"{year} w{week:02} {weekday}", f"{year}w{week:02}{weekday}")


def _years(day: date) -> tuple[str, str]:
    return f"{day.year}", f"{day.year % 100:02}"


def _ordinal(number: int) -> str:
    if number in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")

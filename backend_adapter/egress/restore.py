"""Puts values back for their pseudonyms in what an upstream says, however that is cut into pieces."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from backend_adapter.egress.naming import dates, iban, tokens
from backend_adapter.egress.naming.folding import INVISIBLE, fold
from backend_adapter.egress.naming.shapes import Shape, either
from backend_adapter.egress.quoting import Form, Surroundings
from backend_adapter.egress.urls import Addresses

# A letter or digit before it makes it a part of something else.
_ALONE = r"(?<![^\W_])"
# Every pseudonym has one, and most text has none.
_DIGIT = re.compile(r"[0-9]")
# How many characters before a place matter to what it is.
_LOOKED_BACK = 2


class Place(NamedTuple):
    """Where a pseudonym stands, and what is said instead: [start, end) of a text."""

    start: int
    end: int
    said: str


class Restorable:
    """What each pseudonym of a request stands for, ready to be searched for: one for all places of an answer.

    Raises ValueError for what is no pseudonym.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._tokens: dict[str, str] = {}
        self._ibans: dict[str, str] = {}
        self._days: dict[date, date] = {}
        self._countries = frozenset[tuple[str, int]]()
        self._longest_code = 0
        self._search = _search(has_tokens=False, has_dates=False, countries=self._countries)
        for name, value in values.items():
            self.add(name, value)

    def add(self, name: str, value: str) -> None:
        """One more. Raises ValueError."""
        if (key := tokens.key_of(name)) is not None:
            self._tokens[key] = value
            self._longest_code = max(self._longest_code, len(key) - key.index("-") - 1)
        elif (day := _iso(name)) is not None and (meant := dates.read(value)) is not None:
            self._days[day] = meant.days[0]
        elif iban.is_iban(name):
            self._ibans[name.lower()] = value
            self._countries |= {(name[:2].lower(), len(name))}
        else:
            raise ValueError(f"no pseudonym: {name!r}")
        self._search = _search(
            has_tokens=bool(self._tokens), has_dates=bool(self._days), countries=self._countries
        )

    def __bool__(self) -> bool:
        return bool(self._tokens or self._ibans or self._days)

    @property
    def longest(self) -> int:
        """How many characters a pseudonym takes at most, in whatever way it is written."""
        return self._search.longest

    def places(self, text: str) -> Iterator[Place]:
        """All of them in a text, from left to right."""
        folded, begin = fold(text), 0
        while (place := self.first(text, folded, begin)) is not None:
            yield place
            begin = place.end

    def first(self, text: str, folded: str, begin: int, limit: int | None = None) -> Place | None:
        """The first one from there on that begins before `limit`; `folded` is the folded text."""
        if _DIGIT.search(folded, begin) is None:
            return None
        while (match := self._search.whole.search(folded, begin)) is not None:
            if limit is not None and match.start() >= limit:
                return None
            if (place := self._at(text, folded, match)) is not None:
                return place
            begin = match.start() + 1
        return None

    def open_from(self, folded: str, begin: int) -> int:
        """From where on the end of a text may still become one; its length where nothing may."""
        start = max(begin, len(folded) - self._search.longest)
        while (match := self._search.begun.search(folded, start)) is not None:
            if tokens.code_length(folded, match.start()) <= self._longest_code:
                return match.start()
            start = match.start() + 1
        return len(folded)

    def _at(self, text: str, folded: str, match: re.Match[str]) -> Place | None:
        start, end = match.span()
        if match.lastgroup == "token":
            token = tokens.token_at(text, folded, start, self._tokens)
            if token is None:
                return None
            around = text[max(0, start - 1) : start], text[token.end : token.end + 1]
            return Place(start, token.end, token.said(self._tokens[token.key], *around))
        if match.lastgroup == "date":
            return self._date(text, start, end)
        if folded[end : end + 1].isalnum():
            return None
        value = self._ibans.get(iban.compact(match[0].replace(INVISIBLE, "")).lower())
        between = iban.gap(text[start:end])
        return None if value is None else Place(start, end, iban.grouped(value, between))

    def _date(self, text: str, start: int, end: int) -> Place | None:
        written = None if text[end : end + 1].isdigit() else dates.read(text[start:end])
        if written is None:
            return None
        for day in written.days:
            if (real := self._days.get(day)) is not None:
                return Place(start, end, written.like(real, day))
        return None


class Restoring:
    """Takes pieces of a text and gives the restored text as soon as it is certain.

    Never more than the longest form of a pseudonym is held back. `form` is what the text is, by which a value is
    written so that it stays whole; `escaped` does more to it where that is not enough. Without `addresses` a
    pseudonym stays one within them.
    """

    def __init__(
        self,
        values: Restorable | Mapping[str, str],
        escaped: Callable[[str], str] | None = None,
        *,
        addresses: bool = True,
        form: Form = "plain",
    ) -> None:
        self._names = values if isinstance(values, Restorable) else Restorable(values)
        self._escaped = escaped
        self._surroundings = Surroundings(form)
        self._held = ""
        self._addresses = None if addresses else Addresses()
        # What was said last: whether a pseudonym begins depends on it.
        self._before = ""

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._held)

    def feed(self, piece: str) -> str:
        """What can be said now."""
        return self._said(self._held + piece, over=False) if self._names else piece

    def end(self) -> str:
        """What was held back, at the end of the text."""
        return self._said(self._held, over=True) if self._names else ""

    def _said(self, text: str, *, over: bool) -> str:
        whole, begin, said = self._before + text, len(self._before), list[str]()
        folded = fold(whole)
        stop = len(whole) if over else self._names.open_from(folded, begin)
        while (place := self._names.first(whole, folded, begin, stop)) is not None:
            said += [self._followed(whole[begin : place.start]), self._value(whole, place)]
            begin = place.end
            if begin > stop:
                stop = self._names.open_from(folded, begin)
        said.append(self._followed(whole[begin:stop]))
        self._held, self._before = whole[stop:], whole[max(0, stop - _LOOKED_BACK) : stop]
        return "".join(said)

    def _followed(self, text: str) -> str:
        if self._addresses is not None:
            self._addresses.follow(text)
        self._surroundings.follow(text)
        return text

    def _value(self, text: str, place: Place) -> str:
        name = text[place.start : place.end]
        if self._addresses is not None and self._addresses.inside:
            return self._followed(name)
        value = self._surroundings.fit(place.said)
        self._followed(name)
        return value if self._escaped is None else self._escaped(value)


class _Search(NamedTuple):
    whole: re.Pattern[str]
    begun: re.Pattern[str]
    longest: int


@lru_cache(maxsize=64)
def _search(*, has_tokens: bool, has_dates: bool, countries: frozenset[tuple[str, int]]) -> _Search:
    named: list[tuple[str, Shape]] = []
    starts = {country[0] for country, _ in countries}
    if has_tokens:
        named.append((r"(?P<token>{})", tokens.SHAPE))
        starts |= tokens.STARTS
    if has_dates:
        # A number before a dot is a part of it.
        named.append((r"(?<![0-9]\.)(?P<date>{})", dates.SHAPE))
        starts |= dates.STARTS
    if countries:
        accounts = either(*(iban.shape(*country) for country in sorted(countries)))
        named.append((r"(?P<iban>{})", accounts))
    whole = "|".join(group.replace("{}", shape.whole) for group, shape in named)
    begun = "|".join(shape.begun for _, shape in named)
    return _Search(
        # What begins none is passed by at once.
        re.compile(f"(?=[{''.join(sorted(starts)) or 'x'}]){_ALONE}(?:{whole})"),
        re.compile(f"{_ALONE}(?:{begun})"),
        max((shape.longest for _, shape in named), default=0),
    )


def _iso(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None

"""The names under which values leave the site: one for a value all through a chat, and another in every chat.

A pseudonym is drawn with the site's key, so nobody without it can tell from it what it stands for, nor whether two
chats speak of the same value. Nothing is kept: two adapters with one key make the same ones.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain

from backend_adapter.egress.found import Found
from backend_adapter.egress.known.forms import Kind
from backend_adapter.egress.known.skeleton import compact, words
from backend_adapter.egress.naming import dates, iban, tokens
from backend_adapter.egress.naming.codes import (
    ALPHABET,
    GENDERED,
    KINDS,
    NOUNS,
    Drawn,
    Gender,
    Taken,
    codes,
)
from backend_adapter.egress.naming.folding import INVISIBLE, fold
from backend_adapter.egress.naming.texts import Texts
from backend_adapter.egress.restore import Restorable

__all__ = ["ALPHABET", "Pseudonyms"]

_COUNTRY_CODE = "49"
_NOT_DIGITS = re.compile(r"[^\d+]")
# How an account number begins, which is cheap to tell.
_ACCOUNT = re.compile(r"[A-Za-z]{2}\W?\d\W?\d")
_STREET = re.compile(r"str\b", re.IGNORECASE)


class Pseudonyms:
    """Those of one chat; `known` are the ones that it has already, pseudonym to value.

    Two spellings of one value are one value, and the first one is what it is restored to.
    """

    def __init__(self, key: bytes, chat: str, known: dict[str, str] | None = None) -> None:
        self._key = key
        self._chat = chat
        self._values = dict(known or {})
        self._by_value = {
            _same(_kind_of(name), value): name for name, value in self._values.items()
        }
        self._codes = Taken()
        for name in self._values:
            if (token := tokens.key_of(name)) is not None:
                self._codes.add(token.partition("-")[2])
        # As they were written in what leaves; who finds one of them has found no value.
        self._written = {_plain(name) for name in self._values}
        self._texts = Texts()
        self._shift: timedelta | None = None
        self._restorable = Restorable(self._values)

    @property
    def values(self) -> dict[str, str]:
        """What each pseudonym stands for."""
        return self._values

    def reserve(self, text: str) -> None:
        """Nothing that stands in this text becomes a pseudonym from now on; without any, dates are not shifted."""
        self._texts.add(text)

    @property
    def restorable(self) -> Restorable:
        """All of them, to be restored: one for all places of an answer."""
        return self._restorable

    def others(self, text: str, found: list[Found]) -> list[Found]:
        """Of what was found in a text that which is not within a pseudonym of a value here.

        A date that was shifted may be a date that the site knows, and a part of an account number a number.
        """
        if not found or not self._restorable:
            return found
        own = list(self._restorable.places(text))
        return [
            each
            for each in found
            if not any(place.start <= each.start and each.end <= place.end for place in own)
        ]

    def of(
        self,
        kind: Kind,
        value: str,
        *,
        gender: Gender | None = None,
        written: str | None = None,
    ) -> str:
        """The pseudonym of a value, made where it is new, in the style in which it is `written` there.

        `gender` is that of a person where it is known. What is such a pseudonym already stays as it is.
        """
        stands = value if written is None else written
        if _plain(stands) in self._written:
            return stands
        same = _same(kind, value)
        name = self._by_value.get(same)
        if name is None:
            name = self._new(kind, same, value, gender)
            self._by_value[same] = name
            self._values[name] = value
            self._restorable.add(name, value)
        said = _styled(name, kind, value, written)
        self._written.add(_plain(said))
        return said

    def _new(self, kind: Kind, same: str, value: str, gender: Gender | None) -> str:
        drawn = Drawn(self._key, self._chat, kind, same)
        if kind == "date" and (day := self._day(value)) is not None:
            return day
        if kind == "iban" and iban.is_iban(value):
            return next(
                chain(
                    (name for name in iban.candidates(value, drawn) if self._is_free(name)),
                    self._names(kind, drawn, gender),
                )
            )
        return next(self._names(kind, drawn, gender))

    def _names(self, kind: Kind, drawn: Drawn, gender: Gender | None) -> Iterator[str]:
        noun = GENDERED[gender] if kind == "person" and gender is not None else NOUNS[kind]
        for code in codes(drawn):
            if code not in self._codes and code not in self._texts.codes:
                self._codes.add(code)
                name = f"{noun}-{code}"
                yield f"{name.lower()}@{tokens.MAIL_HOST}" if kind == "email" else name

    def _is_free(self, account: str) -> bool:
        return _plain(account) not in self._written and not self._texts.has_account(account)

    def _day(self, value: str) -> str | None:
        """A date shifted as all of the chat are; None where it is none, or there is no such day to be had."""
        written = dates.read(value)
        if written is None or not self._texts:
            return None
        if self._shift is None:
            self._shift = dates.shift(Drawn(self._key, self._chat, "shift"), self._texts.days)
        day = dates.shifted(written.days[0], self._shift)
        if day is None or day in self._texts.days or day.isoformat() in self._values:
            return None
        return day.isoformat()


def _styled(name: str, kind: Kind, value: str, written: str | None) -> str:
    """A pseudonym as the value is written."""
    stands = value if written is None else written
    if kind == "date" and tokens.key_of(name) is None:
        day, style = date.fromisoformat(name), dates.read(stands)
        meant = dates.read(value)
        if style is None or meant is None or meant.days[0] not in style.days:
            return name
        return style.like(day, meant.days[0])
    if kind == "iban" and written is not None and tokens.key_of(name) is None:
        return iban.grouped(name, iban.gap(written))
    return name


def _same(kind: Kind, value: str) -> str:
    """What is the same for two spellings of one value."""
    if kind == "date" and (written := dates.read(value)) is not None:
        return f"date {written.days[0].isoformat()}"
    if kind == "phone":
        return f"phone {_number(value)}"
    if kind == "iban":
        return iban.compact(value)
    if kind == "email":
        return f"email {fold(value).replace(INVISIBLE, '')}"
    if kind == "secret":
        # A password in other letters is another one.
        return f"secret {value}"
    if kind == "person" and value.count(",") == 1:
        last, _, first = value.partition(",")
        value = f"{first} {last}"
    if kind == "address":
        value = _STREET.sub("strasse", value)
    return compact(words(value))


def _number(value: str) -> str:
    """A telephone number as from abroad: 0351 488 9988 is +49 351 4889988."""
    digits = _NOT_DIGITS.sub("", fold(value).replace("(0)", ""))
    if digits.startswith("+"):
        return digits[1:]
    if digits.startswith("00"):
        return digits[2:]
    return f"{_COUNTRY_CODE}{digits[1:]}" if digits.startswith("0") else digits


def _plain(written: str) -> str:
    """The same for one pseudonym in capital letters, or an account number in groups."""
    is_account = _ACCOUNT.match(written) is not None and iban.is_iban(written)
    return (iban.compact(written) if is_account else written).casefold()


def _kind_of(name: str) -> Kind:
    token = tokens.key_of(name)
    if token is not None:
        return KINDS[token.partition("-")[0]]
    return "iban" if iban.is_iban(name) else "date"

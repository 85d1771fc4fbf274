"""Account numbers that are none: of a country and its form, with right check digits, of a bank that is not there.

Sources: ISO 13616 (IBAN), ISO 7064 (MOD 97-10).
"""

from collections.abc import Iterator
from functools import cache

from stdnum import iban
from stdnum.exceptions import ValidationError

from backend_adapter.egress.naming.codes import Drawn
from backend_adapter.egress.naming.folding import INVISIBLE, fold
from backend_adapter.egress.naming.shapes import Shape, literal, maybe, one, row

# The bank code of no bank in Germany.
_GERMANY, _NO_BANK = "DE", "99990417"
# Elsewhere, with how many characters a bank begins, and of what a bank consists that is none.
_BANK, _DIGIT, _LETTER = 4, "9", "X"
_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Some countries have check digits of their own: one number in about a hundred has the right ones.
_TRIES = 2_000
_GAP = maybe(one(f"[ .{INVISIBLE}-]"))
_DIGIT_IN_GROUPS = row(_GAP, one("[0-9]"))
_CHAR_IN_GROUPS = row(_GAP, one("[0-9a-z]"))


def compact(number: str) -> str:
    """Without blanks and hyphens, in capital letters."""
    return "".join(char for char in number if char.isalnum()).upper()


def is_iban(number: str) -> bool:
    """Whether its form is its country's and its check digits are right."""
    try:
        iban.validate(compact(number), check_country=False)
    except ValidationError:
        return False
    return number.isascii()


@cache
def shape(country: str, length: int) -> Shape:
    """Those of a country in a folded text, in groups or not; what it matches may still be none."""
    return row(
        *map(literal, country.lower()),
        *[_DIGIT_IN_GROUPS] * 2,
        *[_CHAR_IN_GROUPS] * (length - 4),
    )


def gap(text: str) -> str:
    """What stands between the groups of one that is written like this."""
    return next((char for char in text if fold(char) != INVISIBLE and not char.isalnum()), "")


def candidates(number: str, drawn: Drawn) -> Iterator[str]:
    """Numbers of the form that this one has, none of them itself."""
    real = compact(number)
    country, account = real[:2], real[4:]
    bank = _NO_BANK if country == _GERMANY else "".join(_like(char) for char in account[:_BANK])
    # As strict as the real one is.
    strict = iban.is_valid(real)
    for _ in range(_TRIES):
        rest = "".join(_drawn(char, drawn) for char in account[len(bank) :])
        check = iban.calc_check_digits(f"{country}00{bank}{rest}")
        other = f"{country}{check}{bank}{rest}"
        if other != real and (not strict or iban.is_valid(other)):
            yield other


def grouped(number: str, between: str) -> str:
    """In groups of four with this between them."""
    whole = compact(number)
    return between.join(whole[begin : begin + 4] for begin in range(0, len(whole), 4))


def _like(char: str) -> str:
    return _DIGIT if char.isdigit() else _LETTER


def _drawn(char: str, drawn: Drawn) -> str:
    letters = _DIGITS if char.isdigit() else _LETTERS
    return letters[drawn.below(len(letters))]

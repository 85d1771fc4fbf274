"""In which forms a value may stand in a text, as keys to be looked up there."""

import re
from collections.abc import Iterator
from typing import Literal, TypeAlias

from backend_adapter.egress.known.dates import forms_of_date
from backend_adapter.egress.known.names import forms_of_name
from backend_adapter.egress.known.phones import forms_of_phone
from backend_adapter.egress.known.skeleton import BAR_TOKEN, tokens

# What a value is, as the one who labels it says. A `code` is anything whose grouping says nothing: a customer's
# number, a licence plate; a `secret` opens something: a password, a key.
Kind: TypeAlias = Literal[
    "person", "text", "address", "code", "iban", "phone", "email", "date", "secret"
]

# Before the letters and digits of what is searched for by them alone; no word begins so.
CODE = b"\0"
_FEWEST = 2
_BY_WORDS = frozenset({"person", "text", "address", "email", "date"})
_POSTCODE = re.compile(rb"(?<![^ ])(?=\d{5}(?: |$))")


def tells_enough(value: str) -> bool:
    """Whether it has two letters or digits at least: one alone is in every text, and tells nobody by itself."""
    return sum(map(str.isalnum, value)) >= _FEWEST


def by_words(kind: Kind) -> bool:
    """Whether it is searched for word by word, and not by its letters and digits alone."""
    return kind in _BY_WORDS


def forms(kind: Kind, value: str) -> frozenset[bytes]:
    """The keys of all forms of a value: its words with blanks between them, or CODE and its letters and digits.

    Empty for a value without a letter or digit, and for a date that is none.
    """
    if kind == "person":
        return frozenset(forms_of_name(value))
    if by_words(kind):
        return frozenset(form for form in _of_words(kind, value) if form.strip(b" " + BAR_TOKEN))
    return frozenset(
        CODE + form for form in _of_code(kind, value) if form.replace(BAR_TOKEN, b"").strip()
    )


def _of_words(kind: Kind, value: str) -> Iterator[bytes]:
    if kind == "date":
        yield from forms_of_date(value)
        return
    whole = b" ".join(tokens(value))
    yield whole
    if kind == "address":
        yield from _of_address(whole)
    elif kind == "text" and "&" in value:
        yield from (b" ".join(tokens(value.replace("&", f" {word} "))) for word in ("und", "u"))


def _of_address(whole: bytes) -> Iterator[bytes]:
    """With a comma, or a line's end, before the postcode or without one; `Straße` written out or not."""
    bare = b" ".join(each for each in whole.split() if each != BAR_TOKEN)
    for spelled in {bare, bare.replace(b"strasse ", b"str "), re.sub(rb"str ", b"strasse ", bare)}:
        yield spelled
        yield _POSTCODE.sub(BAR_TOKEN + b" ", spelled)


def _of_code(kind: Kind, value: str) -> Iterator[bytes]:
    yield b"".join(tokens(value))
    if kind == "phone":
        yield from forms_of_phone(value)

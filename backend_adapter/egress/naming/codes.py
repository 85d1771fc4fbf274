"""What a pseudonym consists of that says nothing: letters and digits drawn with the site's key.

Sources: RFC 2104 (HMAC), RFC 4648 section 6 (the alphabet, less what is confused).
"""

import hashlib
import hmac
from collections.abc import Iterator
from itertools import count
from typing import Literal, TypeAlias

from backend_adapter.egress.known.forms import Kind

# No vowels, which would make words, no characters that are taken for others, and no letters of an ending: after a
# pseudonym, `s` is a genitive.
ALPHABET = "23456789BCDFGHJKLMPQRTVWXZ"
SHORTEST, LONGEST = 3, 8
# How many codes of one length are tried before a longer one is.
_TRIES = 8

# What is known of a person, for the pronouns and endings that German and English choose by it.
Gender: TypeAlias = Literal["f", "m"]

NOUNS: dict[Kind, str] = {
    "person": "Person",
    "text": "Name",
    "address": "Anschrift",
    "code": "Nummer",
    "phone": "Telefon",
    "email": "Mail",
    "iban": "Konto",
    "date": "Datum",
    "secret": "Geheimnis",
}
# Words that stand as well alone as after `Frau` and `Herr`, and are nobody's given name.
GENDERED: dict[Gender, str] = {"f": "Dame", "m": "Mann"}
# What a model may put in a noun's place: it stays before the value.
SALUTATIONS = frozenset({"frau", "herr", "herrn", "mr", "mrs", "ms"})
KINDS: dict[str, Kind] = {
    **{noun.lower(): kind for kind, noun in NOUNS.items()},
    **{noun.lower(): "person" for noun in GENDERED.values()},
    **dict[str, Kind].fromkeys(SALUTATIONS, "person"),
}


class Drawn:
    """An endless row of numbers that only the key and what is said can tell: the same for the same."""

    def __init__(self, key: bytes, *said: str) -> None:
        self._key = key
        self._said = "\0".join(said).encode()
        self._numbers = self._all()

    def below(self, limit: int) -> int:
        """The next number, any one below `limit` (up to 2^32) being as likely as another."""
        while True:
            number = next(self._numbers)
            # What is beyond the last multiple would favour small numbers.
            if number < 2**32 - 2**32 % limit:
                return number % limit

    def _all(self) -> Iterator[int]:
        for block in count():
            digest = hmac.digest(self._key, self._said + b"\0%d" % block, hashlib.sha256)
            for begin in range(0, len(digest), 4):
                yield int.from_bytes(digest[begin : begin + 4])


def codes(drawn: Drawn) -> Iterator[str]:
    """Codes, shorter ones first. Each has a letter and a digit: it is neither a word nor a number."""
    for length in range(SHORTEST, LONGEST + 1):
        for _ in range(_TRIES) if length < LONGEST else count():
            code = "".join(ALPHABET[drawn.below(len(ALPHABET))] for _ in range(length))
            if not (code.isdigit() or code.isalpha()):
                yield code


class Taken:
    """Codes that are taken: those that begin with one of them, or are the beginning of one, are taken as well.

    Next to letters, one could be read for the other.
    """

    def __init__(self) -> None:
        self._codes = set[str]()
        self._beginnings = set[str]()

    def add(self, code: str) -> None:
        """Takes one, in whatever case."""
        small = code.lower()
        self._codes.add(small)
        self._beginnings.update(small[:end] for end in range(1, len(small) + 1))

    def __contains__(self, code: str) -> bool:
        small = code.lower()
        return small in self._beginnings or any(
            small[:end] in self._codes for end in range(1, len(small))
        )

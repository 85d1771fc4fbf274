"""The names under which values leave the site: one for a value all through a chat, and another in every chat.

A pseudonym is made of a keyed digest, so nobody without the site's key can tell from it what it stands for, nor
whether two chats speak of the same value. Sources: RFC 2104 (HMAC), RFC 4648 section 6 (the alphabet, less what is
confused).
"""

import hashlib
import hmac
from collections.abc import Iterator

from backend_adapter.egress.forms import Kind
from backend_adapter.egress.skeleton import compact, words

# No vowels, which would make words, no characters that are taken for others, and no letters of an ending: after a
# pseudonym, `s` is a genitive.
ALPHABET = "23456789BCDFGHJKLMPQRTVWXZ"
_SHORTEST = 3
_NAMES: dict[Kind, str] = {
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


class Pseudonyms:
    """Those of one chat; `known` are the ones that it has already, pseudonym to value.

    Two spellings of one value are one value, and the first one is what it is restored to.
    """

    def __init__(self, key: bytes, chat: str, known: dict[str, str] | None = None) -> None:
        self._key = key
        self._chat = chat
        self._values = dict(known or {})
        self._by_skeleton = {_skeleton(value): name for name, value in self._values.items()}
        self._taken = {name.casefold() for name in self._values}

    @property
    def values(self) -> dict[str, str]:
        """What each pseudonym stands for."""
        return self._values

    def of(self, kind: Kind, value: str) -> str:
        """The pseudonym of a value, made where it is new."""
        skeleton = _skeleton(value)
        if (known := self._by_skeleton.get(skeleton)) is not None:
            return known
        name = next(
            each for each in self._candidates(kind, skeleton) if each.casefold() not in self._taken
        )
        self._by_skeleton[skeleton] = name
        self._values[name] = value
        self._taken.add(name.casefold())
        return name

    def _candidates(self, kind: Kind, skeleton: str) -> Iterator[str]:
        """Longer and longer ones of one digest, of which some other value may have the shortest."""
        said = "\0".join((self._chat, kind, skeleton)).encode()
        number = int.from_bytes(hmac.digest(self._key, said, hashlib.sha256))
        letters = ""
        while True:
            while len(letters) < _SHORTEST:
                number, digit = divmod(number, len(ALPHABET))
                letters += ALPHABET[digit]
            yield f"{_NAMES[kind]}-{letters}"
            number, digit = divmod(number, len(ALPHABET))
            letters += ALPHABET[digit]


def _skeleton(value: str) -> str:
    return compact(words(value))

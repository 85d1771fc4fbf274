"""Puts values back for their pseudonyms in what an upstream says, however that is cut into pieces."""

import re
from collections.abc import Callable, Mapping

from backend_adapter.egress.pseudonyms import ALPHABET
from backend_adapter.egress.urls import Addresses

# What a model writes instead of the hyphen that it was given.
_HYPHEN = re.compile("[-\u2010\u2011\u2012\u2013 \u00a0]")


class Restoring:
    """Takes pieces of a text and gives the restored text as soon as it is certain.

    Never more than the longest pseudonym is held back. `escaped` turns a value into what stands for it where the
    text is code, such as the inside of a JSON string. Without `addresses` a pseudonym stays one within them.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        escaped: Callable[[str], str] = lambda value: value,
        *,
        addresses: bool = True,
    ) -> None:
        self._values = {_plain(name): escaped(value) for name, value in values.items()}
        self._prefixes = {name[:end] for name in self._values for end in range(1, len(name) + 1)}
        self._longest = max(map(len, self._values), default=0)
        names = "|".join(_pattern(name) for name in self._values)
        # A further letter of the alphabet makes it another one; an ending has none.
        self._search = (
            re.compile(rf"(?<![^\W_])(?:{names})(?![{ALPHABET}])", re.IGNORECASE) if names else None
        )
        self._held = ""
        self._addresses = None if addresses else Addresses()
        # What was said last: whether a pseudonym begins depends on it.
        self._before = ""

    def feed(self, piece: str) -> str:
        """What can be said now."""
        if self._search is None:
            return piece
        return self._said(self._held + piece, over=False)

    def end(self) -> str:
        """What was held back, at the end of the text."""
        return self._said(self._held, over=True) if self._search is not None else ""

    def _said(self, text: str, *, over: bool) -> str:
        assert self._search is not None  # noqa: S101 - looked at above
        whole, said = self._before + text, []
        begin = len(self._before)
        for match in self._search.finditer(whole, begin):
            if match.end() == len(whole) and not over:
                break  # it may go on
            said += [self._followed(whole[begin : match.start()]), self._value(match[0])]
            begin = match.end()
        end = len(whole) - (0 if over else self._open_end(whole[begin:]))
        said.append(self._followed(whole[begin:end]))
        self._held, self._before = whole[end:], whole[max(0, end - 1) : end]
        return "".join(said)

    def _followed(self, text: str) -> str:
        if self._addresses is not None:
            self._addresses.follow(text)
        return text

    def _value(self, name: str) -> str:
        if self._addresses is not None and self._addresses.inside:
            return self._followed(name)
        self._followed(name)
        return self._values[_plain(name)]

    def _open_end(self, text: str) -> int:
        """How many characters at the end may be the beginning of a pseudonym, or one that goes on."""
        for length in range(min(self._longest, len(text)), 0, -1):
            if _plain(text[-length:]) in self._prefixes:
                return length
        return 0


def _plain(name: str) -> str:
    return _HYPHEN.sub("-", name).casefold()


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\-", _HYPHEN.pattern)

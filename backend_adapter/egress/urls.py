"""Tells where a text is an address: what stands there may be sent to a stranger by whoever shows the text.

A page loads the pictures of an answer by itself, so a model could have a value that was restored in an address sent
to any host. Only what is certainly no address any more counts as such.
"""

import re

_SLASHES = "/\\"
# How an address is quoted, and what ends it then; spaces within belong to it.
_QUOTES = {'"': '"', "'": "'", "`": "`", "<": ">"}
_BARE_ENDS = frozenset(' \t\r\n\f\v<>"')
_QUOTED_ENDS = "\r\n"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\s*$")
# A scheme and the mark before it.
_LOOKED_BACK = 32


class Addresses:
    """Follows a text, piece by piece; `inside` tells whether it stands within an address now."""

    def __init__(self) -> None:
        self._before = ""
        self._ends: frozenset[str] | None = None

    @property
    def inside(self) -> bool:
        return self._ends is not None

    def follow(self, text: str) -> None:
        """The text goes on with this."""
        for position, char in enumerate(text):
            if self._ends is not None:
                if char in self._ends:
                    self._ends = None
            elif char in _SLASHES and (self._before + text[:position])[-1:] in (*_SLASHES,):
                self._ends = _ends_after((self._before + text[:position])[-_LOOKED_BACK:-1])
        self._before = (self._before + text)[-_LOOKED_BACK:]


def _ends_after(before: str) -> frozenset[str]:
    """What ends an address whose two slashes follow this."""
    opened = _SCHEME.sub("", before).rstrip()[-1:]
    closing = _QUOTES.get(opened)
    return _BARE_ENDS if closing is None else frozenset((closing, *_QUOTED_ENDS))

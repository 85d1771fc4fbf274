"""What a value has to look like where it is put into a text: within JSON, and JSON within JSON, or in a table.

Sources: RFC 8259 section 7 (strings), GitHub Flavored Markdown 4.10 (tables) and 4.5 (fenced code).
"""

import json
import re
from typing import Literal, TypeAlias

# `plain` is text that is nothing else; Markdown may hold JSON, tables and code, or be JSON as a whole.
Form: TypeAlias = Literal["plain", "markdown", "json"]

_OUTSIDE_STRINGS = frozenset(' \t\r\n{}[],:0123456789+-.eEtrufalsn"')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_STOPS = re.compile(r'["\\]')
# JSON within JSON within JSON: who goes further gets what the third has.
_DEEPEST = 3
_FENCE = re.compile(r"[ >]{0,8}(?:`{3,}|~{3,})[ ]*([A-Za-z0-9]*)")
_ROW = re.compile(r"[ >]{0,8}\|")
_LINE_BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*")
# As much of a line as tells what it is.
_LINE_LENGTH = 64


class Surroundings:
    """Follows a text, piece by piece; `fit` writes a value as it has to be here."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._json = Json(lenient=True) if form == "json" else None
        self._begun = self._fenced = False
        self._line = ""

    def follow(self, text: str) -> None:
        """The text goes on with this."""
        if self._form == "json":
            self._into_json(text)
        elif self._form == "markdown":
            self._into_markdown(text)

    def fit(self, value: str) -> str:
        """The value as it stands for itself here."""
        if self._json is not None and self._json.depth:
            for _ in range(self._json.depth):
                value = json.dumps(value, ensure_ascii=False)[1:-1]
            return value
        if self._form == "markdown" and not self._fenced and _ROW.match(self._line):
            return _LINE_BREAKS.sub(" ", value).replace("|", "\\|")
        return value

    def _into_json(self, text: str) -> None:
        if self._json is not None:
            self._json.feed(text)
            if self._json.over:
                self._json = None

    def _into_markdown(self, text: str) -> None:
        if not self._begun and (rest := text.lstrip()):
            self._begun = True
            if rest[0] in "{[":
                self._json = Json()
        for piece in text.splitlines(keepends=True):
            self._into_json(piece)
            self._line = (self._line + piece)[: _LINE_LENGTH + 1]
            if piece.endswith(("\n", "\r")):
                if fence := _FENCE.match(self._line):
                    self._fenced = not self._fenced
                    self._json = Json() if self._fenced and fence[1].lower() == "json" else None
                self._line = ""


class Json:
    """Follows JSON; `depth` is in how many strings, one within another, the text stands now.

    A `lenient` one is JSON whatever is in it; another one is `over` with what cannot be.
    """

    def __init__(self, *, lenient: bool = False, level: int = 1) -> None:
        self._lenient, self._level = lenient, level
        self.over = False
        self._in_string = False
        self._escape = ""
        self._inner: Json | None = None
        self._begun = False

    @property
    def depth(self) -> int:
        if self.over or not self._in_string:
            return 0
        return 1 + (self._inner.depth if self._inner is not None else 0)

    def feed(self, text: str) -> None:
        """The text goes on with this."""
        place = 0
        while place < len(text) and not self.over:
            if self._in_string and not self._escape and self._inner is None:
                # Nothing within it matters until it ends.
                stop = _STOPS.search(text, place)
                if stop is None:
                    return
                place = stop.start()
            self._next(text[place])
            place += 1

    def _next(self, char: str) -> None:
        if not self._in_string:
            if char == '"':
                self._in_string = True
                self._inner = Json(level=self._level + 1) if self._level < _DEEPEST else None
            elif not self._lenient and char not in _OUTSIDE_STRINGS:
                self.over = True
        elif self._escape:
            self._escaped(char)
        elif char == "\\":
            self._escape = char
        elif char == '"':
            self._in_string, self._inner = False, None
        else:
            self._said(char)

    def _escaped(self, char: str) -> None:
        self._escape += char
        if self._escape[1] != "u":
            self._escape = ""
            self._said(_ESCAPES.get(char, char))
        elif len(self._escape) == len("\\u0000"):
            digits, self._escape = self._escape[2:], ""
            if all(digit in "0123456789abcdefABCDEF" for digit in digits):
                self._said(chr(int(digits, 16)))

    def _said(self, char: str) -> None:
        """A character of the string, which may be JSON itself: then it is an object or a list."""
        inner = self._inner
        if inner is None:
            return
        if not inner._begun and not char.isspace():
            inner._begun = True
            if char not in "{[":
                self._inner = None
                return
        inner.feed(char)
        if inner.over:
            self._inner = None

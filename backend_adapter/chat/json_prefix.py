"""Whether text that arrives in pieces can still become one JSON object (RFC 8259)."""

import re
from typing import Literal, TypeAlias

_State: TypeAlias = Literal[
    "start",
    "first_key",
    "key",
    "colon",
    "value",
    "first_item",
    "comma",
    "string",
    "escape",
    "unicode",
    "literal",
    "number",
    "done",
]

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING_RUN = re.compile(r'[^"\\\x00-\x1f]*')
_LITERALS = {"t": "rue", "f": "alse", "n": "ull"}
_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
# What may follow in a number, by what has been read of it: the next part for each character.
_NUMBER: dict[str, dict[str, str]] = {
    "minus": {"0": "zero", **dict.fromkeys("123456789", "integer")},
    "zero": {".": "point", "e": "exponent", "E": "exponent"},
    "integer": {
        **dict.fromkeys(_DIGITS, "integer"),
        ".": "point",
        "e": "exponent",
        "E": "exponent",
    },
    "point": dict.fromkeys(_DIGITS, "fraction"),
    "fraction": {**dict.fromkeys(_DIGITS, "fraction"), "e": "exponent", "E": "exponent"},
    "exponent": {"+": "sign", "-": "sign", **dict.fromkeys(_DIGITS, "power")},
    "sign": dict.fromkeys(_DIGITS, "power"),
    "power": dict.fromkeys(_DIGITS, "power"),
}
_WHOLE_NUMBERS = frozenset({"zero", "integer", "fraction", "power"})
_MISSING = {
    "start": "it is empty",
    "first_key": "a key or the closing brace is missing at its end",
    "key": "it ends after a comma",
    "colon": "it ends after a key",
    "value": "a value is missing at its end",
    "first_item": "a value is missing at its end",
    "comma": "a closing bracket is missing at its end",
    "number": "a closing bracket is missing at its end",
    "literal": "it ends within a word",
}


class ObjectPrefix:
    """Reads pieces of text, in order, for as long as they can be the beginning of a JSON object."""

    def __init__(self) -> None:
        self._state: _State = "start"
        self._open: list[str] = []
        # Whether the string being read is a key; what a word, number or escape still may be.
        self._in_key = False
        self._rest = ""

    @property
    def complete(self) -> bool:
        """Whether the object is closed."""
        return self._state == "done"

    @property
    def after_comma(self) -> bool:
        """Whether a comma is the last that was read, white space aside."""
        return self._state == "key" or (self._state == "value" and self._open[-1] == "]")

    @property
    def closers(self) -> str | None:
        """The brackets that would close the object, or None where something else is missing first."""
        number = self._state == "number" and self._rest in _WHOLE_NUMBERS
        whole = number or self._state in ("comma", "done")
        return "".join(reversed(self._open)) if whole else None

    @property
    def missing(self) -> str:
        """What the object lacks where the text ends now; empty when it lacks nothing."""
        return "" if self.complete else _MISSING.get(self._state, "it ends within a string")

    def feed(self, piece: str) -> int | None:
        """The position in `piece` of the first character that cannot be; None where all can.

        Nothing may be fed after that.
        """
        at, end = 0, len(piece)
        while at < end:
            if self._state == "string":
                run = _STRING_RUN.match(piece, at)
                at = run.end() if run else at
                if at == end:
                    break
            elif self._state not in ("escape", "unicode", "literal", "number"):
                space = _SPACE.match(piece, at)
                at = space.end() if space else at
                if at == end:
                    break
            if not self._character(piece[at]):
                return at
            at += 1
        return None

    def _character(self, char: str) -> bool:
        if self._state == "number":
            after = _NUMBER[self._rest].get(char)
            if after is not None:
                self._rest = after
                return True
            if self._rest not in _WHOLE_NUMBERS:
                return False
            self._state = "comma"
            if char in " \t\n\r":
                return True
        if self._state in ("string", "escape", "unicode"):
            return self._in_string(char)
        if self._state == "literal":
            if not self._rest.startswith(char):
                return False
            self._rest = self._rest[1:]
            if not self._rest:
                self._state = "comma"
            return True
        return self._between(char)

    def _in_string(self, char: str) -> bool:
        if self._state == "string":
            if char == '"':
                self._state = "colon" if self._in_key else "comma"
                return True
            self._state = "escape"
            return char == "\\"
        if self._state == "escape":
            self._state, self._rest = ("unicode", "....") if char == "u" else ("string", "")
            return char in '"\\/bfnrtu'
        self._rest = self._rest[1:]
        if not self._rest:
            self._state = "string"
        return char in _HEX

    def _between(self, char: str) -> bool:
        state = self._state
        if state == "start":
            return char == "{" and self._push("}", "first_key")
        if state in ("first_key", "key") and char == '"':
            self._state, self._in_key = "string", True
            return True
        if state == "colon":
            self._state = "value"
            return char == ":"
        if state in ("value", "first_item") and self._value(char):
            return True
        closes = self._open and char == self._open[-1]
        if closes and state in ("comma", "first_key", "first_item"):
            self._open.pop()
            self._state = "comma" if self._open else "done"
            return True
        if state == "comma" and char == ",":
            self._state = "key" if self._open[-1] == "}" else "value"
            return True
        return False

    def _value(self, char: str) -> bool:
        if char == '"':
            self._state, self._in_key = "string", False
            return True
        if char == "{":
            return self._push("}", "first_key")
        if char == "[":
            return self._push("]", "first_item")
        if char in _LITERALS:
            self._state, self._rest = "literal", _LITERALS[char]
            return True
        if char == "-" or char in _DIGITS:
            self._state = "number"
            self._rest = {"-": "minus", "0": "zero"}.get(char, "integer")
            return True
        return False

    def _push(self, closer: str, state: _State) -> bool:
        self._open.append(closer)
        self._state = state
        return True


def is_object(text: str) -> bool:
    """Whether `text` is exactly one JSON object."""
    prefix = ObjectPrefix()
    return prefix.feed(text) is None and prefix.complete

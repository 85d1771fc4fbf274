"""Finds what of a text that is said again goes beyond what was said before.

Engines leave out white space that means nothing, or write it their own way: around thinking and around
tool calls, and between the parts of a call's arguments. So it is not compared there.
"""

_SPACE = " \t\r\n"


class MismatchError(Exception):
    """An upstream that goes on with an answer says something else than the client already has."""


class SaidText:
    """A text of which the first `at` characters count as said again."""

    def __init__(self, said: str, at: int) -> None:
        self._said = said
        self._at = at

    @property
    def all_again(self) -> bool:
        """Whether all of it was said again."""
        return self._at >= len(self._said)

    @property
    def all_but_space(self) -> bool:
        """Whether nothing but white space at its end is still to come."""
        return not self._said[self._at :].strip()

    def beyond(self, piece: str) -> str:
        """What of the next piece goes beyond it. Raises MismatchError."""
        said = self._said
        if self._at == 0 and said and piece:
            if not said[0].isspace():
                piece = piece.lstrip()
            elif not piece[0].isspace():
                self._at = len(said) - len(said.lstrip())
        begin, self._at = self._at, self._at + len(piece)
        overlap = said[begin : self._at]
        if not piece.startswith(overlap):
            raise MismatchError("it goes on in other words")
        return piece[len(overlap) :]


class SaidJson:
    """The same for JSON, perhaps not complete, whose white space outside of strings is not compared."""

    def __init__(self, said: str, at: int) -> None:
        self._said = said
        self._at = 0
        self._in_string = False
        self._escaped = False
        self.beyond(said[:at])

    @property
    def all_again(self) -> bool:
        """Whether all of it was said again."""
        return self._at >= len(self._said)

    @property
    def all_but_space(self) -> bool:
        """Whether nothing but white space at its end is still to come."""
        return not self._said[self._at :].strip(_SPACE)

    def beyond(self, piece: str) -> str:
        """What of the next piece goes beyond it. Raises MismatchError."""
        said = self._said
        for position, char in enumerate(piece):
            if self._at < len(said) and said[self._at] != char and not self._in_string:
                if char in _SPACE:
                    continue
                while self._at < len(said) and said[self._at] in _SPACE:
                    self._at += 1
            if self._at >= len(said):
                return piece[position:]
            if said[self._at] != char:
                raise MismatchError("it calls with other arguments")
            self._at += 1
            if self._escaped:
                self._escaped = False
            elif char == '"':
                self._in_string = not self._in_string
            else:
                self._escaped = self._in_string and char == "\\"
        return ""

"""The text of an answer's tokens as they come: never half a character, never the beginning of a stop text."""

from collections.abc import Callable, Sequence

# Tokens that a character may be spread over, with room to spare; what is no text after so many will not become any.
_MOST_HELD = 8
# So much of what stands before an answer decides how its first token is spelt.
_CONTEXT = 4
_UNREADABLE = "\ufffd"


class Spelling:
    """Spells one answer to `prompt`. `decode` gives the text of token ids, `stops` end it and are not part of it.

    A tokenizer may spell a token differently after others (a space left out at the beginning, a character of
    several tokens), so a token is spelt together with those before it, and their own text is taken off.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        stops: Sequence[str] = (),
        prompt: Sequence[int] = (),
    ) -> None:
        self._decode = decode
        self._stops = tuple(stops)
        self._said = list(prompt[-_CONTEXT:])
        if decode(self._said).endswith(_UNREADABLE):
            self._said = []
        self._held: list[int] = []
        self._text = ""
        self.stopped = False

    @property
    def whole(self) -> bool:
        """Whether the last token ends a character."""
        return not self._held

    def add(self, token: int) -> str:
        """What one more token says for certain; with it the answer may be `stopped`."""
        self._held.append(token)
        text = self._spelt()
        if text.endswith(_UNREADABLE) and len(self._held) < _MOST_HELD:
            return ""
        self._said, self._held = self._held, []
        return self._given(text)

    def end(self) -> str:
        """What was held back, now that nothing follows."""
        text = self._text + (self._spelt() if self._held else "")
        self._held, self._text = [], ""
        return "" if self.stopped else text

    def _spelt(self) -> str:
        before = self._decode(self._said)
        return self._decode([*self._said, *self._held])[len(before) :]

    def _given(self, text: str) -> str:
        """What of the text so far is certain not to be, or to become, a stop."""
        if not self._stops:
            return text
        text = self._text + text
        found = [at for at in (text.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.stopped, self._text = True, ""
            return text[: min(found)]
        held = max(_may_begin(text, stop) for stop in self._stops)
        certain = len(text) - held
        self._text = text[certain:]
        return text[:certain]


def _may_begin(text: str, stop: str) -> int:
    """How many characters at the text's end the stop may begin with."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0

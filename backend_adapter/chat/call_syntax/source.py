"""An answer's text as it arrives, and the events that are made of it.

A syntax is a generator that reads from a `Source` and yields where more text has to arrive first.
Positions count from the beginning of what has neither been given out nor dropped yet.
"""

from collections.abc import Generator, Sequence
from typing import TypeAlias, TypeVar

from backend_adapter.chat.call_ids import MAX_CALLS, new_call_id
from backend_adapter.chat.events import Event, Failure, Text, ToolCallDelta

_Result = TypeVar("_Result")
Reading: TypeAlias = Generator[None, None, _Result]

SPACE = " \t\r\n"
# No syntax puts more white space in a row, in characters.
MAX_SPACE = 256
# Text that may still become a call is not held back beyond this, in characters.
MAX_HELD = 65_536


class TooLongError(Exception):
    """What may be a call is longer than can be held back."""


class Source:
    """The text of one choice."""

    def __init__(self, choice: int) -> None:
        self.text = ""
        self.ended = False
        self.events: list[Event] = []
        self.next_index = 0
        self.called = False
        self._choice = choice

    def more(self) -> Reading[bool]:
        """Wait for more text; False where none will come. Raises TooLongError."""
        if len(self.text) > MAX_HELD:
            raise TooLongError
        if self.ended:
            return False
        yield
        return True

    def char(self, at: int) -> Reading[str]:
        """The character at a position, empty where the text ends."""
        while at >= len(self.text):
            if not (yield from self.more()):
                return ""
        return self.text[at]

    def skip(self, at: int, chars: str = SPACE) -> Reading[int]:
        """The first position from `at` on that holds none of `chars`, at most MAX_SPACE further."""
        end = at + MAX_SPACE
        while at < end and (char := (yield from self.char(at))) and char in chars:
            at += 1
        return at

    def marker(self, at: int, markers: Sequence[str]) -> Reading[str]:
        """The longest of `markers` that stands at a position, or an empty text."""
        while True:
            rest = self.text[at : at + max(map(len, markers))]
            if not any(len(rest) < len(marker) and marker.startswith(rest) for marker in markers):
                break
            if not (yield from self.more()):
                break
        return max((marker for marker in markers if rest.startswith(marker)), key=len, default="")

    def drop(self, length: int) -> None:
        """Leave out the beginning of the text, because it is syntax."""
        self.text = self.text[length:]

    def give_text(self, length: int) -> None:
        """Give out the beginning of the text as text."""
        if length:
            self.events.append(Text(self.text[:length], self._choice))
            self.drop(length)

    def begin_call(self, name: str) -> None:
        """Begin a tool call; its arguments follow."""
        if self.next_index >= MAX_CALLS:
            raise TooLongError
        delta = ToolCallDelta(self.next_index, new_call_id(), name, "", self._choice)
        self.events.append(delta)
        self.next_index += 1
        self.called = True

    def give_arguments(self, length: int) -> None:
        """Give out the beginning of the text as arguments of the call."""
        if length:
            self.add_arguments(self.text[:length])
            self.drop(length)

    def add_arguments(self, arguments: str) -> None:
        """Give out arguments of the call that are not at the beginning of the text."""
        if arguments:
            index = self.next_index - 1
            self.events.append(ToolCallDelta(index, arguments=arguments, choice=self._choice))

    def fail(self) -> None:
        """Say that the answer cannot be read on."""
        self.text = ""
        self.events.append(
            Failure(
                "The model's tool calls cannot be used: they are longer, or more, than calls can be. "
                "Ask again, or choose a larger model.",
                code="invalid_tool_call",
            )
        )

"""Thinking that arrives inside the text, between `<think>` and `</think>`, becomes Reasoning events.

Only a tag at the very beginning of an answer opens thinking: later ones are text about the tag. Some
prompt templates (DeepSeek-R1's, for one) end with the opening tag, so that the answer begins inside;
such models are configured with `reasoning = "starts_open"`.
"""

from collections.abc import Iterable
from typing import Literal

from backend_adapter.chat.events import Event, Failure, Reasoning, Text, Usage
from backend_adapter.chat.harmony import HarmonyReader
from backend_adapter.chat.markers import partial_marker
from backend_adapter.chat.stages import Stage

_OPEN = "<think>"
_CLOSE = "</think>"
# White space is held back only while a tag may follow it, and only so much of it.
_MAX_LEADING_SPACE = 64


class _Choice:
    """One choice before a possible tag, or inside the thinking; past both it is `settled`."""

    def __init__(self, number: int, *, starts_open: bool) -> None:
        self._number = number
        self._state: Literal["start", "thinking", "text"] = "start"
        self._starts_open = starts_open
        self._held = ""

    @property
    def settled(self) -> bool:
        return self._state == "text"

    def text(self, piece: str) -> list[Event]:
        self._held += piece
        if self._state == "start":
            self._begin()
        events: list[Event] = self._think() if self._state == "thinking" else []
        return [*events, *self.flush()] if self._state == "text" else events

    def _begin(self) -> None:
        stripped = self._held.lstrip()
        space = len(self._held) - len(stripped)
        if space <= _MAX_LEADING_SPACE:
            if stripped.startswith(_OPEN):
                # The space before the tag goes to the thinking, where it does not show.
                self._held = self._held[:space] + stripped[len(_OPEN) :]
                self._state = "thinking"
                return
            if _OPEN.startswith(stripped):
                return
        self._state = "thinking" if self._starts_open else "text"

    def _think(self) -> list[Event]:
        thinking, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._state, self._held = "text", rest
        else:
            kept = partial_marker(thinking, (_CLOSE,))
            self._held = thinking[len(thinking) - kept :]
            thinking = thinking[: len(thinking) - kept]
        return [Reasoning(thinking, self._number)] if thinking else []

    def flush(self) -> list[Event]:
        """What is held back, when nothing that would make it a tag can follow."""
        held, self._held = self._held, ""
        thinking = self._state == "thinking" or (self._state == "start" and self._starts_open)
        if not held:
            return []
        return [Reasoning(held, self._number) if thinking else Text(held, self._number)]


class ReasoningSplitter:
    """A stage that turns thinking inside the text into Reasoning, choice by choice.

    A piece of text is held back only while it may be part of a tag, and never past another event of
    its choice or the end of the answer. `starts_open` says that answers begin inside the thinking.
    """

    def __init__(self, *, starts_open: bool = False) -> None:
        self._starts_open = starts_open
        self._open: dict[int, _Choice] = {}
        self._settled: set[int] = set()

    @property
    def passes_text(self) -> bool:
        """Whether the answer's only choice is past all that could be read in it."""
        return bool(self._settled)

    def feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Text) and event.choice in self._settled:
            return (event,)
        if isinstance(event, Usage):
            return (event,)
        if isinstance(event, Failure):
            return [*(held for choice in self._open.values() for held in choice.flush()), event]
        number = event.choice
        if number in self._settled:
            return (event,)
        choice = self._open.get(number)
        if choice is None:
            choice = self._open[number] = _Choice(number, starts_open=self._starts_open)
        if isinstance(event, Text):
            events = choice.text(event.text)
            if choice.settled:
                self._settle(number)
            return events
        # The engine separates thinking and answer by itself: from here on text is text.
        self._settle(number)
        return [*choice.flush(), event]

    def _settle(self, number: int) -> None:
        self._settled.add(number)
        del self._open[number]


def reasoning_stages(*, starts_open: bool = False) -> list[Stage]:
    """The stages after which thinking is Reasoning, whether the model speaks harmony or uses tags."""
    return [HarmonyReader(), ReasoningSplitter(starts_open=starts_open)]

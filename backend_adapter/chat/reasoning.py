"""Thinking that arrives inside the text, between `<think>` and `</think>`, becomes Reasoning events.

Only a tag at the very beginning of an answer opens thinking: later ones are text about the tag. Some
prompt templates (DeepSeek-R1's, for one) end with the opening tag, so that the answer begins inside;
such models are configured with `reasoning = "starts_open"`.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Literal

from backend_adapter.chat.events import Event, Failure, Reasoning, Text, Usage

_OPEN = "<think>"
_CLOSE = "</think>"
# White space is held back only while a tag may follow it, and only so much of it.
_MAX_LEADING_SPACE = 64


class _Choice:
    """The state of one choice: before a possible tag, inside the thinking, or past both."""

    def __init__(self, number: int, *, starts_open: bool) -> None:
        self._number = number
        self._state: Literal["start", "thinking", "text"] = "start"
        self._starts_open = starts_open
        self._held = ""

    def text(self, piece: str) -> Iterator[Event]:
        self._held += piece
        if self._state == "start":
            self._begin()
        if self._state == "thinking":
            yield from self._think()
        if self._state == "text":
            yield from self.flush()

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

    def _think(self) -> Iterator[Event]:
        thinking, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._state, self._held = "text", rest
        else:
            kept = _partial_tag(thinking)
            self._held = thinking[len(thinking) - kept :]
            thinking = thinking[: len(thinking) - kept]
        if thinking:
            yield Reasoning(thinking, self._number)

    def flush(self) -> Iterator[Event]:
        """Give out what is held back: nothing that would make it a tag can follow."""
        held, self._held = self._held, ""
        thinking = self._state == "thinking" or (self._state == "start" and self._starts_open)
        if held:
            yield Reasoning(held, self._number) if thinking else Text(held, self._number)

    def pass_by(self) -> Iterator[Event]:
        """The engine separates thinking and answer by itself: from here on text is text."""
        yield from self.flush()
        self._state = "text"


def _partial_tag(text: str) -> int:
    """Length of the longest end of `text` that may be the beginning of a closing tag."""
    for length in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if _CLOSE.startswith(text[-length:]):
            return length
    return 0


async def split_reasoning(
    events: AsyncIterator[Event], *, starts_open: bool = False
) -> AsyncIterator[Event]:
    """Pass events on, thinking inside the text turned into Reasoning, choice by choice.

    A piece of text is held back only while it may be part of a tag, and never past another event of its
    choice or the end of the answer.
    """
    choices: dict[int, _Choice] = {}
    async for event in events:
        if isinstance(event, Usage):
            yield event
            continue
        if isinstance(event, Failure):
            for choice in choices.values():
                for held in choice.flush():
                    yield held
            yield event
            continue
        choice = choices.get(event.choice) or choices.setdefault(
            event.choice, _Choice(event.choice, starts_open=starts_open)
        )
        if isinstance(event, Text):
            for part in choice.text(event.text):
                yield part
        else:
            for held in choice.pass_by():
                yield held
            yield event
    for choice in choices.values():
        for held in choice.flush():
            yield held

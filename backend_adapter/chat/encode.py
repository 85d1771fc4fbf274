"""Builds the chunks of the client's stream from events, with an id, a time and a name of our own."""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from backend_adapter.chat.events import (
    Finish,
    Part,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.plain import plain_text

DONE = b"data: [DONE]\n\n"

Kind = Literal["chat", "completion"]


class _FunctionOut(msgspec.Struct):
    name: str | UnsetType = UNSET
    arguments: str = ""


class _ToolCallOut(msgspec.Struct):
    index: int
    function: _FunctionOut
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class _DeltaOut(msgspec.Struct):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[_ToolCallOut] | UnsetType = UNSET


class _ChatChoiceOut(msgspec.Struct):
    index: int
    delta: _DeltaOut
    finish_reason: str | None = None


class _TextChoiceOut(msgspec.Struct):
    index: int
    text: str
    finish_reason: str | None = None
    logprobs: None = None


class _ChunkOut(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_ChatChoiceOut] | list[_TextChoiceOut]
    usage: dict[str, Any] | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder()
_encode = _ENCODER.encode
# Stands for a text in a chunk.
_HOLE = "\x00"


class Answer:
    """What one answer is called in everything that the client gets of it."""

    def __init__(self, kind: Kind, model: str) -> None:
        self.kind = kind
        self.model = model
        self.id = f"{'chatcmpl' if kind == 'chat' else 'cmpl'}-{uuid.uuid4().hex}"
        self.created = int(time.time())


class StreamEncoder:
    """Turns events into the frames of one server-sent event stream.

    With `status_lines`, notes are shown as Open WebUI shows its own; for everybody else, whose programs
    would stumble over a chunk that is none of OpenAI's, they are comments.
    """

    def __init__(self, answer: Answer, *, include_usage: bool, status_lines: bool = False) -> None:
        self._answer = answer
        self._include_usage = include_usage
        self._status_lines = status_lines
        self._object = "chat.completion.chunk" if answer.kind == "chat" else "text_completion"
        self._begun: set[int] = set()
        # What stands before and after a piece of text in nearly every chunk.
        whole = self._frame([_ChatChoiceOut(0, _DeltaOut(content=_HOLE))])
        self._before, _, self._after = whole.rpartition(_encode(_HOLE))

    def frames(self, events: Sequence[Part]) -> bytes:
        """The bytes that say `events`; what the client is not to see is left out."""
        if len(events) == 1:
            event = events[0]
            if type(event) is Text and event.choice == 0 and self._alike:
                return self._before + _encode(event.text) + self._after
            return self.frame(event)
        return b"".join([self.frame(event) for event in events])

    def frame(self, event: Part) -> bytes:
        """The bytes that say one event."""
        if isinstance(event, Usage):
            return self._frame([], usage_body(event)) if self._include_usage else b""
        if self._answer.kind == "chat":
            return self._frame([self._chat_choice(event)])
        if isinstance(event, Text):
            return self._frame([_TextChoiceOut(event.choice, event.text)])
        if isinstance(event, Finish):
            return self._frame([_TextChoiceOut(event.choice, "", event.reason)])
        return b""

    def sayer(self, write: Callable[[bytes], bool]) -> Callable[[str], bool]:
        """What writes one more piece of the first choice's text, and tells what `write` did."""
        before, after = self._before, self._after

        def say(text: str) -> bool:
            return write(before + _encode(text) + after)

        return say if self._alike else lambda text: write(self.frame(Text(text)))

    @property
    def _alike(self) -> bool:
        """Whether chunks that say a piece of the first choice's text differ in nothing else."""
        return self._answer.kind == "chat" and 0 in self._begun

    def note(self, text: str) -> bytes:
        """A line of our own about how the answer came about."""
        if not self._status_lines:
            return b": " + plain_text(text).encode() + b"\n\n"
        status = {"type": "status", "data": {"description": text, "done": True}}
        return b"data: " + _ENCODER.encode({"event": status}) + b"\n\n"

    def end(self) -> bytes:
        """What closes a complete answer."""
        return DONE

    def error(self, body: dict[str, dict[str, str | None]]) -> bytes:
        """What closes an answer that is not complete."""
        return error_frame(body)

    def _chat_choice(self, event: Text | Reasoning | ToolCallDelta | Finish) -> _ChatChoiceOut:
        delta = _DeltaOut()
        if event.choice not in self._begun:
            self._begun.add(event.choice)
            delta.role = "assistant"
        if isinstance(event, Text):
            delta.content = event.text
        elif isinstance(event, Reasoning):
            delta.reasoning_content = event.text
        elif isinstance(event, ToolCallDelta):
            function = _FunctionOut(event.name or UNSET, event.arguments)
            call = _ToolCallOut(event.index, function)
            if event.id:
                call.id, call.type = event.id, "function"
            delta.tool_calls = [call]
        else:
            return _ChatChoiceOut(event.choice, delta, event.reason)
        return _ChatChoiceOut(event.choice, delta)

    def _frame(
        self,
        choices: list[_ChatChoiceOut] | list[_TextChoiceOut],
        usage: dict[str, Any] | UnsetType = UNSET,
    ) -> bytes:
        answer = self._answer
        chunk = _ChunkOut(answer.id, self._object, answer.created, answer.model, choices, usage)
        return b"data: " + _ENCODER.encode(chunk) + b"\n\n"


def error_frame(body: dict[str, dict[str, str | None]]) -> bytes:
    """An OpenAI error object as the last frame of a stream; no [DONE] follows it."""
    return b"data: " + _ENCODER.encode(body) + b"\n\n"


def usage_body(usage: Usage) -> dict[str, Any]:
    """Token counts in the form of the OpenAI API."""
    body: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cached_tokens is not None:
        body["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return body

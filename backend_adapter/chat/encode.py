"""Builds the chunks of the client's stream from events, with an id, a time and a name of our own."""

import time
import uuid
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


class Answer:
    """What one answer is called in everything that the client gets of it."""

    def __init__(self, kind: Kind, model: str) -> None:
        self.kind = kind
        self.model = model
        self.id = f"{'chatcmpl' if kind == 'chat' else 'cmpl'}-{uuid.uuid4().hex}"
        self.created = int(time.time())


class StreamEncoder:
    """Turns events into the frames of one server-sent event stream."""

    def __init__(self, answer: Answer, *, include_usage: bool) -> None:
        self._answer = answer
        self._include_usage = include_usage
        self._object = "chat.completion.chunk" if answer.kind == "chat" else "text_completion"
        self._begun: set[int] = set()

    def frame(self, event: Part) -> bytes:
        """The bytes that say `event`; empty where the client is not to see it."""
        if isinstance(event, Usage):
            return self._frame([], usage_body(event)) if self._include_usage else b""
        if self._answer.kind == "chat":
            return self._frame([self._chat_choice(event)])
        if isinstance(event, Text):
            return self._frame([_TextChoiceOut(event.choice, event.text)])
        if isinstance(event, Finish):
            return self._frame([_TextChoiceOut(event.choice, "", event.reason)])
        return b""

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

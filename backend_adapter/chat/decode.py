"""Reads the chunks of an OpenAI-compatible stream into events.

Only the fields below are decoded. Whatever else a chunk carries does not exist for the adapter, so it
cannot travel on.
"""

import re
import uuid
from typing import Any

import msgspec

from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    FinishReason,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.plain import plain_text

_MAX_TOOL_CALLS = 128
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

# Engines name the same few endings differently; what is not here is no ending anybody planned.
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int | None = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    prompt_token_ids: list[int] | None = None


_DECODER = msgspec.json.Decoder(_Chunk)


class Tokens(msgspec.Struct):
    """Token ids of a prompt and of the one answer to it so far; None where the engine does not give them.

    The events tell what the first `shown` of them say: of the others nothing has come but their ids, be it
    that they are half a character, or that the engine's parser waits for more. Where they came one at a time,
    the last of these is `whole` for certain; of several that come at once, the last may be half a character.
    """

    prompt: list[int] | None = None
    generated: list[int] = msgspec.field(default_factory=list)
    shown: int = 0
    whole: bool = True

    def add(self, ids: list[int]) -> None:
        """These came, and what they say was told."""
        self.generated += ids
        self.shown = len(self.generated)
        self.whole = len(ids) <= 1

    def known(self) -> "Tokens":
        """Those of which the events tell; an answer that goes on from there makes the others anew."""
        return Tokens(self.prompt, self.generated[: self.shown], self.shown, self.whole)


class ChunkDecoder:
    """Reads the data of one stream's events, in order; `close` tells how the stream ended.

    `upstream` is the name that failures call the sender by. `choices` is how many choices were asked
    for: a chunk about another one is not accepted.
    """

    def __init__(self, upstream: str, choices: int = 1) -> None:
        self._upstream = upstream
        self._choices = choices
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._tool_calls: dict[tuple[int, int], str] = {}
        self._tool_names: dict[tuple[int, int], str] = {}
        self._usage: Usage | None = None
        self.tokens = Tokens()
        self.done = False

    @property
    def complete(self) -> bool:
        """Whether every choice that began has ended as planned."""
        return bool(self._finished) and self._begun == self._finished

    def feed(self, data: bytes, events: list[Event]) -> None:
        """Append what one event's data holds; a Failure is the last thing appended.

        Nothing more may be fed once `done` is set.
        """
        if not data:
            return
        if data == b"[DONE]":
            events += self.close()
            return
        try:
            chunk = _DECODER.decode(data)
        except (msgspec.MsgspecError, RecursionError):
            events.append(self._fail("sent a chunk that cannot be read", "unreadable_chunk"))
            return
        except UnicodeDecodeError:
            # The event stream standard has a reader replace such bytes.
            self.feed(data.decode(errors="replace").encode(), events)
            return
        if chunk.error is not None:
            # Whatever went wrong after the last word, the answer is whole.
            events += self.close() if self.complete else [self._error(chunk.error)]
            return
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        if chunk.prompt_token_ids:
            self.tokens.prompt = chunk.prompt_token_ids
        for choice in chunk.choices or ():
            if not 0 <= choice.index < self._choices:
                fault = "answered with a choice nobody asked for"
                events.append(self._fail(fault, "unexpected_choice"))
                return
            self._choice(choice, events)
            if self.done:
                return

    def plain_text(self, data: bytes) -> str | None:
        """The text of a chunk that says a piece of the only choice's text and nothing else.

        None for any other, which is to be fed instead.
        """
        try:
            chunk = _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        choices = chunk.choices
        if (
            self._choices != 1
            or self._finished
            or choices is None
            or len(choices) != 1
            or chunk.error is not None
            or chunk.usage is not None
            or chunk.prompt_token_ids is not None
        ):
            return None
        choice = choices[0]
        delta = choice.delta
        if delta is None or choice.index or choice.finish_reason or choice.prompt_token_ids:
            return None
        text = delta.content
        if not text or (
            delta.reasoning_content
            or delta.reasoning
            or delta.thinking
            or delta.refusal
            or delta.tool_calls
        ):
            return None
        self.tokens.add(choice.token_ids or [])
        self._begun.add(0)
        return text

    def close(self) -> list[Event]:
        """The stream is over: the token counts, or a Failure if the answer is not complete."""
        if self.done:
            return []
        self.done = True
        if not self.complete:
            return [self._fail("ended the stream before the answer was complete", "incomplete")]
        return [self._usage] if self._usage is not None else []

    def _choice(self, choice: _Choice, events: list[Event]) -> None:
        index = choice.index
        if index in self._finished:
            return
        self._begun.add(index)
        before = len(events)
        if choice.token_ids:
            self.tokens.generated += choice.token_ids
        if choice.prompt_token_ids:
            self.tokens.prompt = choice.prompt_token_ids
        delta = choice.delta
        if delta is None:
            if choice.text:
                events.append(Text(choice.text, index))
        else:
            if thought := delta.reasoning_content or delta.reasoning or delta.thinking:
                events.append(Reasoning(thought, index))
            if text := delta.content or delta.refusal:
                events.append(Text(text, index))
            for position, call in enumerate(delta.tool_calls or ()):
                place = position if call.index is None else call.index
                part = self._tool_call(index, place, call)
                if part is not None:
                    events.append(part)
                if self.done:
                    return
        if choice.finish_reason:
            events.append(self._finish(index, choice.finish_reason))
        if len(events) > before:
            self.tokens.shown = len(self.tokens.generated)
            self.tokens.whole = len(choice.token_ids or ()) <= 1

    def _finish(self, index: int, named: str) -> Finish | Failure:
        reason = _FINISH_REASONS.get(named)
        if reason is None:
            return self._fail("broke the answer off", "incomplete")
        # vLLM says "tool_calls" when a forced call never came because the thinking did not end.
        if reason == "tool_calls" and not any(key[0] == index for key in self._tool_calls):
            reason = "stop"
        self._finished.add(index)
        return Finish(reason, index)

    def _tool_call(
        self, choice: int, index: int, call: _ToolCall
    ) -> ToolCallDelta | Failure | None:
        function = call.function or _Function()
        arguments = function.arguments or ""
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        name = function.name or ""
        if (choice, index) in self._tool_calls:
            if name and name != self._tool_names[choice, index]:
                # Who may have what the call says depends on whom it calls, and some of it is told already.
                return self._fail("changed whom a tool call is for", "unreadable_tool_call")
            if not arguments:
                # It says nothing, as half a character does.
                return None
            return ToolCallDelta(index, arguments=arguments, choice=choice)
        if not 0 <= index < _MAX_TOOL_CALLS or not _NAME.fullmatch(name):
            return self._fail("made a tool call that cannot be read", "unreadable_tool_call")
        # A model may have been taught the form of these ids (Kimi K2: functions.NAME:INDEX) and reads
        # them again in the next turn, so a plain and unused one is kept.
        call_id = call.id or ""
        if not _NAME.fullmatch(call_id) or call_id in self._tool_calls.values():
            call_id = f"call_{uuid.uuid4().hex}"
        self._tool_calls[choice, index] = call_id
        self._tool_names[choice, index] = name
        return ToolCallDelta(index, call_id, name, arguments, choice)

    def _error(self, error: object) -> Failure:
        detail = error.get("message") if isinstance(error, dict) else error
        code = error.get("code") if isinstance(error, dict) else None
        text = plain_text(detail) if isinstance(detail, str) else ""
        status = code if code in (400, 413, 422, 429) else 502
        reason = text or "no reason given"
        return self._fail(f"reported an error: {reason}", "upstream_error", status)

    def _fail(self, message: str, code: str, status: int = 502) -> Failure:
        self.done = True
        return Failure(f"Upstream {self._upstream} {message}.", code=code, status=status)


def _usage(usage: _Usage) -> Usage:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens or 0,
        cached_tokens=prompt.cached_tokens if prompt else None,
        reasoning_tokens=completion.reasoning_tokens if completion else None,
    )

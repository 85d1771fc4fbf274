"""Builds what a client reads of an answer: chunks of a stream, or the whole, as OpenAI and vLLM have them."""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from backend_adapter.chat.call_syntax import TextCalls
from backend_adapter.chat.events import Event, Failure, Finish, Text, ToolCallDelta
from backend_adapter.chat.tool_schema import Tool
from backend_adapter.petals.errors import SwarmError
from backend_adapter.petals.gateway import faults
from backend_adapter.petals.gateway.engine import Piece, Token

DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": the swarm is at work\n\n"
Kind: TypeAlias = Literal["chat", "completion"]
Spell: TypeAlias = Callable[[int], str]
_encode = msgspec.json.Encoder().encode


class UnusableCallError(SwarmError):
    """The model's tool calls cannot be read."""

    code = "invalid_tool_call"
    status = 502


class Asked(msgspec.Struct, frozen=True):
    """What an answer carries: see `request`."""

    kind: Kind
    model: str
    prompt: tuple[int, ...]
    include_usage: bool = False
    token_ids: bool = False
    tops: int | None = None
    calls: tuple[Tool, ...] = ()


class Answer:
    """One answer, fed with the engine's pieces in order. `spell` gives the text of a single token."""

    def __init__(self, asked: Asked, spell: Spell) -> None:
        self._asked, self._spell = asked, spell
        prefix = "chatcmpl" if asked.kind == "chat" else "cmpl"
        self._name = f"{prefix}-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._reader = TextCalls(asked.calls) if asked.calls else None
        self._begun: set[int] = set()
        self._lengths: dict[int, int] = {}
        self._generated = 0
        self._cached: dict[int, int] = {}

    def chunks(self, piece: Piece) -> bytes:
        """The frames that say `piece`; none where it says nothing that was asked for. Raises SwarmError."""
        choice = self._choice(piece)
        if choice is None:
            return b""
        extra: dict[str, Any] = {}
        first = not self._begun
        frames = b""
        if self._asked.kind == "chat":
            if piece.choice not in self._begun:
                if first and self._asked.token_ids:
                    extra["prompt_token_ids"] = self._asked.prompt
                role = {"role": "assistant", "content": ""}
                opening = {"index": piece.choice, "delta": role, "logprobs": None}
                frames = self._frame([{**opening, "finish_reason": None}], extra)
        elif piece.choice not in self._begun and self._asked.token_ids:
            choice["prompt_token_ids"] = self._asked.prompt
        self._begun.add(piece.choice)
        return frames + self._frame([choice], {})

    def end(self) -> bytes:
        """What closes a complete stream."""
        usage = self._frame([], {"usage": self.usage()}) if self._asked.include_usage else b""
        return usage + DONE

    def usage(self) -> dict[str, Any]:
        """The token counts."""
        prompt = len(self._asked.prompt)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": self._generated,
            "total_tokens": prompt + self._generated,
            "prompt_tokens_details": {"cached_tokens": max(self._cached.values(), default=0)},
        }

    def whole(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """The answer that is not streamed. Raises SwarmError."""
        made: dict[int, dict[str, Any]] = {}
        for piece in pieces:
            if (choice := self._choice(piece)) is not None:
                _merge(made.setdefault(piece.choice, {}), choice)
        choices = [self._whole_choice(made[number]) for number in sorted(made)]
        chat = self._asked.kind == "chat"
        body = self._body(choices, "chat.completion" if chat else "text_completion")
        if chat and self._asked.token_ids:
            body["prompt_token_ids"] = self._asked.prompt
        return {**body, "usage": self.usage()}

    def _whole_choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        if self._asked.kind != "chat":
            if self._asked.token_ids:
                choice["prompt_token_ids"] = self._asked.prompt
            return choice
        message = choice.pop("delta")
        calls = message.get("tool_calls")
        if calls:
            for call in calls:
                del call["index"]
        return {**choice, "message": {"role": "assistant", "content": None, **message}}

    def _choice(self, piece: Piece) -> dict[str, Any] | None:
        """What `piece` adds to its choice; None where that is nothing."""
        asked = self._asked
        self._generated += len(piece.tokens)
        self._cached[piece.choice] = piece.cached
        choice: dict[str, Any] = {"index": piece.choice}
        finish: str | None = piece.finish
        if asked.kind == "completion":
            choice["text"] = piece.text
            says = bool(piece.text)
        else:
            delta, finish = self._delta(piece)
            choice["delta"] = delta
            says = bool(delta["content"] or "tool_calls" in delta)
            if "tool_calls" in delta and not delta["content"]:
                del delta["content"]
        choice["logprobs"] = self._logprobs(piece)
        choice["finish_reason"] = finish
        if asked.token_ids:
            choice["token_ids"] = [token.id for token in piece.tokens]
        told = (asked.token_ids or asked.tops is not None) and piece.tokens
        return choice if says or told or finish else None

    def _delta(self, piece: Piece) -> tuple[dict[str, Any], str | None]:
        if self._reader is None:
            return {"content": piece.text}, piece.finish
        fed: list[Event] = [Text(piece.text, piece.choice)] if piece.text else []
        if piece.finish is not None:
            fed.append(Finish(piece.finish, piece.choice))
        text, finish = "", piece.finish
        calls: list[dict[str, Any]] = []
        told: str | None = finish
        for event in [out for each in fed for out in self._reader.feed(each)]:
            if isinstance(event, Text):
                text += event.text
            elif isinstance(event, ToolCallDelta):
                _add_call(calls, _call(event))
            elif isinstance(event, Finish):
                told = event.reason
            elif isinstance(event, Failure):
                raise UnusableCallError(event.message)
        delta: dict[str, Any] = {"content": text}
        if calls:
            delta["tool_calls"] = calls
        return delta, told

    def _logprobs(self, piece: Piece) -> dict[str, Any] | None:
        tops = self._asked.tops
        if tops is None:
            return None
        if self._asked.kind == "chat":
            return {"content": [self._logprob(token, tops) for token in piece.tokens]}
        texts = [self._spell(token.id) for token in piece.tokens]
        offsets = []
        for text in texts:
            offsets.append(self._lengths.get(piece.choice, 0))
            self._lengths[piece.choice] = offsets[-1] + len(text)
        return {
            "tokens": texts,
            "token_logprobs": [token.logprob for token in piece.tokens],
            "top_logprobs": [
                {self._spell(other): logprob for other, logprob in token.top[:tops]}
                for token in piece.tokens
            ]
            if tops
            else None,
            "text_offset": offsets,
        }

    def _logprob(self, token: Token, tops: int) -> dict[str, Any]:
        def told(number: int, logprob: float | None) -> dict[str, Any]:
            text = self._spell(number)
            return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

        tried = [told(number, logprob) for number, logprob in token.top[:tops]]
        return {**told(token.id, token.logprob), "top_logprobs": tried}

    def _body(self, choices: list[dict[str, Any]], what: str) -> dict[str, Any]:
        return {
            "id": self._name,
            "object": what,
            "created": self._created,
            "model": self._asked.model,
            "choices": choices,
        }

    def _frame(self, choices: list[dict[str, Any]], extra: dict[str, Any]) -> bytes:
        what = "chat.completion.chunk" if self._asked.kind == "chat" else "text_completion"
        return b"data: " + _encode({**self._body(choices, what), **extra}) + b"\n\n"


def error_frame(error: SwarmError) -> bytes:
    """What closes a stream that is not complete; no [DONE] follows."""
    return b"data: " + _encode(faults.body(error)) + b"\n\n"


def _call(event: ToolCallDelta) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": event.arguments}
    call: dict[str, Any] = {"index": event.index, "function": function}
    if event.id:
        call |= {"id": event.id, "type": "function"}
        function["name"] = event.name
    return call


def _add_call(calls: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Add a part of a call to the calls so far; parts of one call become one."""
    for call in calls:
        if call["index"] == part["index"]:
            call["function"]["arguments"] += part["function"]["arguments"]
            return
    calls.append(part)


def _merge(into: dict[str, Any], part: dict[str, Any]) -> None:
    """Add what one chunk said of a choice to what was said before."""
    if not into:
        into.update(part)
        return
    into["finish_reason"] = part["finish_reason"]
    if "text" in part:
        into["text"] += part["text"]
    else:
        delta = into["delta"]
        if part["delta"].get("content"):
            delta["content"] = (delta.get("content") or "") + part["delta"]["content"]
        for call in part["delta"].get("tool_calls", ()):
            _add_call(delta.setdefault("tool_calls", []), call)
    if "token_ids" in part:
        into["token_ids"] += part["token_ids"]
    for name, values in (part["logprobs"] or {}).items():
        if values is not None:
            into["logprobs"][name] += values

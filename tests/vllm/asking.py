"""Asks the adapter, and reads what a client of it sees."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from scripted import Client, RunningAdapter

CHAT = "/v1/chat/completions"
STREAMED_AND_WHOLE = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
# Both ways to insist on a call.
INSISTING = pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "function": {"name": "get_weather"}}],
    ids=["required", "named"],
)
CITIES, DAYS = ["Köln", "Hamburg"], [1, 2, 3]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": CITIES},
                "days": {"type": "integer", "enum": DAYS},
            },
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}


def assert_fits(calls: list[tuple[str, str]]) -> None:
    """The calls are such as WEATHER takes, and there are some."""
    assert calls
    for name, text in calls:
        arguments = json.loads(text)
        assert name == "get_weather"
        assert set(arguments) == {"city", "days"}
        assert arguments["city"] in CITIES and arguments["days"] in DAYS


@dataclass
class Said:
    """An answer, however it came."""

    status: int = 0
    reasoning: str = ""
    content: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    call_ids: list[str] = field(default_factory=list)
    finish: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    done: bool = False

    @property
    def answer(self) -> tuple[str, str, list[tuple[str, str]], str]:
        """What counts of it."""
        return self.reasoning, self.content, self.calls, self.finish

    @property
    def characters(self) -> int:
        return len(self.reasoning) + len(self.content) + sum(len(call[1]) for call in self.calls)

    def message(self) -> dict[str, Any]:
        """As a client tells it back in the next request."""
        calls = [
            {"id": key, "type": "function", "function": {"name": name, "arguments": arguments}}
            for key, (name, arguments) in zip(self.call_ids, self.calls, strict=True)
        ]
        return {
            "role": "assistant",
            "content": self.content or None,
            "reasoning_content": self.reasoning,
            "tool_calls": calls,
        }

    def read(self, frame: str) -> None:
        """One event of a stream."""
        if frame.startswith(": "):
            self.comments.append(frame[2:])
            return
        data = frame.removeprefix("data: ")
        if data == "[DONE]":
            self.done = True
            return
        chunk = json.loads(data)
        if "error" in chunk:
            self.errors.append(chunk["error"])
            return
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk["choices"]:
            self._part(choice["delta"])
            self.finish += choice["finish_reason"] or ""

    def read_whole(self, body: dict[str, Any]) -> None:
        if "error" in body:
            self.errors.append(body["error"])
            return
        self.usage = body["usage"]
        [choice] = body["choices"]
        self._part(choice["message"])
        self.finish = choice["finish_reason"]
        self.done = True

    def _part(self, part: dict[str, Any]) -> None:
        self.reasoning += part.get("reasoning_content") or ""
        self.content += part.get("content") or ""
        for number, call in enumerate(part.get("tool_calls") or ()):
            place, function = call.get("index", number), call["function"]
            if place == len(self.calls):
                self.calls.append((function["name"], ""))
                self.call_ids.append(call["id"])
            name, arguments = self.calls[place]
            self.calls[place] = name, arguments + function["arguments"]


def question(text: str, **more: Any) -> dict[str, Any]:
    """The body of a request; greedy, because else nothing could be compared."""
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, "temperature": 0, "max_tokens": 200, **more}


async def ask(
    client: Client,
    adapter: RunningAdapter,
    model: str,
    body: dict[str, Any],
    *,
    stream: bool = True,
    when: int = 0,
    break_off: Callable[[], None] | None = None,
) -> Said:
    """What comes back; `break_off` is done once `when` characters have come, where it is given."""
    said = Said()
    asked: dict[str, Any] = {"model": model, **body}
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    async with client.stream(adapter, CHAT, asked) as response:
        said.status = response.status
        if not stream or response.status != 200:
            said.read_whole(json.loads(await response.text()))
            return said
        buffered = b""
        async for piece in response.content.iter_any():
            buffered += piece
            while b"\n\n" in buffered:
                frame, _, buffered = buffered.partition(b"\n\n")
                said.read(frame.decode())
                if break_off is not None and said.characters >= when:
                    break_off()
                    break_off = None
    assert break_off is None, "the answer was too short to be broken off"
    return said


async def until_ready(client: Client, adapter: RunningAdapter) -> None:
    """Wait until every upstream has proved that it generates."""
    async with asyncio.timeout(60):
        while True:
            upstreams = (await client.get(adapter, "/ready", key=None)).json["upstreams"]
            if set(upstreams.values()) == {"ready"}:
                return
            await asyncio.sleep(0.05)

"""Two real llama.cpp replicas behind one model name: what one begins, the other finishes."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from scripted import Client, RunningAdapter, StartAdapter

from backend_adapter.chat.events import Finish, ToolCallDelta
from backend_adapter.chat.ledger import Ledger
from backend_adapter.routing.attempt import Attempt
from backend_adapter.routing.continuation import Ask, ways_on
from backend_adapter.routing.replica import Replica
from backend_adapter.settings import AdapterSettings
from backend_adapter.upstreams.capabilities import Capabilities
from backend_adapter.upstreams.client import Upstream
from backend_adapter.upstreams.http import Connections
from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy
from tests.llamacpp import MODEL, LlamaServer

pytestmark = pytest.mark.xdist_group("embedded")

CHAT = "/v1/chat/completions"
QUESTION = "Tell me about the town hall of Hamburg in a few sentences."
PARAMETERS = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 40},
        "text": {"type": "string", "maxLength": 80},
    },
    "required": ["title", "text"],
}
REPORT = {
    "type": "function",
    "function": {
        "name": "write_report",
        "description": "Write a report about a city.",
        "parameters": PARAMETERS,
    },
}


@pytest.fixture
async def replicas() -> AsyncIterator[tuple[LlamaServer, LlamaServer]]:
    both = LlamaServer(), LlamaServer()
    for each in both:
        each.start()
    for each in both:
        await each.ready()
    yield both
    for each in both:
        each.kill()


@pytest.fixture
async def links(replicas: tuple[LlamaServer, LlamaServer]) -> AsyncIterator[list[Proxy]]:
    """The network to each replica, which a test may cut."""
    first, second = (Proxy(server.port, Link()) for server in replicas)
    async with first, second:
        yield [first, second]


async def until_ready(client: Client, adapter: RunningAdapter) -> None:
    """Wait until both replicas have proved that they generate."""
    while True:
        upstreams = (await client.get(adapter, "/ready", key=None)).json["upstreams"]
        if set(upstreams.values()) == {"ready"}:
            return


class Seen:
    """What a client sees of one stream."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.text = ""
        self.arguments = ""
        self.finishes: list[str] = []
        self.usage: list[dict[str, int]] = []
        self.comments: list[str] = []
        self.errors: list[Any] = []
        self.done = 0

    def read(self, frame: str) -> None:
        if frame.startswith(": "):
            self.comments.append(frame[2:])
            return
        data = frame.removeprefix("data: ")
        if data == "[DONE]":
            self.done += 1
            return
        chunk = json.loads(data)
        if "error" in chunk:
            self.errors.append(chunk["error"])
            return
        self.ids.add(chunk["id"])
        if chunk.get("usage"):
            self.usage.append(chunk["usage"])
        for choice in chunk["choices"]:
            self.text += choice["delta"].get("content") or ""
            for call in choice["delta"].get("tool_calls") or ():
                self.arguments += call["function"]["arguments"]
            if choice["finish_reason"]:
                self.finishes.append(choice["finish_reason"])

    @property
    def said(self) -> int:
        return len(self.text) + len(self.arguments)


async def stream(
    client: Client,
    adapter: RunningAdapter,
    body: dict[str, Any],
    when: int = 0,
    break_off: Callable[[], None] | None = None,
) -> Seen:
    """Read a stream, and do `break_off` when `when` characters have come."""
    seen = Seen()
    asked = {
        "model": MODEL,
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0,
        "max_tokens": 40,
        **body,
    }
    async with client.stream(adapter, CHAT, asked) as response:
        assert response.status == 200
        buffered = b""
        async for piece in response.content.iter_any():
            buffered += piece
            while b"\n\n" in buffered:
                frame, _, buffered = buffered.partition(b"\n\n")
                seen.read(frame.decode())
                if break_off is not None and seen.said >= when:
                    break_off()
                    break_off = None
    assert break_off is None, "the answer was too short to be broken off"
    return seen


def assert_whole(seen: Seen, undisturbed: Seen) -> None:
    assert seen.errors == []
    assert (seen.text, seen.arguments) == (undisturbed.text, undisturbed.arguments)
    assert len(seen.ids) == seen.done == len(seen.usage) == 1
    assert seen.finishes == undisturbed.finishes
    assert seen.usage[0]["prompt_tokens"] == undisturbed.usage[0]["prompt_tokens"]
    assert seen.usage[0]["completion_tokens"] == undisturbed.usage[0]["completion_tokens"]


def answering(adapter: RunningAdapter) -> str:
    """The name of the replica that is answering now."""
    members = adapter.app.state.services.pool.members
    [name] = [name for name, member in members.items() if member.running]
    return str(name)


class Breaker:
    """Breaks off whichever replica is answering."""

    def __init__(
        self, adapter: RunningAdapter, how: signal.Signals, **servers: LlamaServer
    ) -> None:
        self._adapter = adapter
        self._how = how
        self._servers = servers
        self.broke = ""

    def __call__(self) -> None:
        self.broke = answering(self._adapter)
        self._servers[self.broke].signal(self._how)


HOWS = pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["kill -9", "SIGSTOP"])


def start(start_adapter: StartAdapter, replicas: tuple[LlamaServer, LlamaServer]) -> RunningAdapter:
    named = [server.upstream(name) for name, server in zip("ab", replicas, strict=True)]
    return start_adapter(upstreams=named, stall_timeout_s=4.0)


@HOWS
async def test_a_greedy_answer_goes_on_as_if_nothing_had_happened(
    replicas: tuple[LlamaServer, LlamaServer],
    start_adapter: StartAdapter,
    client: Client,
    how: signal.Signals,
):
    first, second = replicas
    adapter = start(start_adapter, replicas)
    await until_ready(client, adapter)
    body = {"messages": [{"role": "user", "content": QUESTION}]}
    undisturbed = await stream(client, adapter, body)
    breaker = Breaker(adapter, how, a=first, b=second)
    seen = await stream(client, adapter, body, 30, breaker)
    assert_whole(seen, undisturbed)
    assert seen.comments[-1].startswith(f"{breaker.broke} broke off")


async def test_an_answer_that_is_broken_off_wherever_it_stands_goes_on(
    replicas: tuple[LlamaServer, LlamaServer],
    links: list[Proxy],
    start_adapter: StartAdapter,
    client: Client,
):
    """Cut in the network, every few characters: within words, after spaces, at line ends."""
    named = zip("ab", replicas, links, strict=True)
    adapter = start_adapter(
        upstreams=[server.upstream(name, link.port) for name, server, link in named]
    )
    await until_ready(client, adapter)
    body = {"messages": [{"role": "user", "content": QUESTION}]}
    undisturbed = await stream(client, adapter, body)
    assert undisturbed.finishes == ["length"]

    def cut() -> None:
        for link in links:
            link.cut()

    for when in range(1, len(undisturbed.text) // 2, 5):
        seen = await stream(client, adapter, body, when, cut)
        assert_whole(seen, undisturbed)
        assert any("broke off" in comment for comment in seen.comments)


@HOWS
async def test_an_answer_that_is_held_to_a_schema_goes_on(
    replicas: tuple[LlamaServer, LlamaServer],
    start_adapter: StartAdapter,
    client: Client,
    how: signal.Signals,
):
    first, second = replicas
    adapter = start(start_adapter, replicas)
    await until_ready(client, adapter)
    body = {
        "messages": [{"role": "user", "content": "Write a report about the town hall of Hamburg."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "report",
                "schema": {**PARAMETERS, "additionalProperties": False},
            },
        },
    }
    undisturbed = await stream(client, adapter, body)
    seen = await stream(client, adapter, body, 40, Breaker(adapter, how, a=first, b=second))
    assert_whole(seen, undisturbed)


async def test_the_only_replica_goes_on_after_its_connection_broke(
    replicas: tuple[LlamaServer, LlamaServer],
    links: list[Proxy],
    start_adapter: StartAdapter,
    client: Client,
):
    link = links[0]
    adapter = start_adapter(upstreams=[replicas[0].upstream("a", link.port)])
    await until_ready(client, adapter)
    body = {"messages": [{"role": "user", "content": QUESTION}]}
    undisturbed = await stream(client, adapter, body)
    assert_whole(await stream(client, adapter, body, 40, link.cut), undisturbed)


async def test_a_replica_that_comes_back_gets_work_again(
    replicas: tuple[LlamaServer, LlamaServer], start_adapter: StartAdapter, client: Client
):
    first, second = replicas
    adapter = start(start_adapter, replicas)
    await until_ready(client, adapter)
    first.kill()
    body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 4}
    assert (await stream(client, adapter, body)).errors == []
    first.start()
    await first.ready()
    await until_ready(client, adapter)
    second.kill()
    assert (await stream(client, adapter, body)).errors == []


@pytest.mark.parametrize("said", ['{"title": "The town ha', '{"title": "Ham', '{"title"', "{"])
async def test_half_written_arguments_are_completed_to_what_the_tool_takes(
    replicas: tuple[LlamaServer, LlamaServer], said: str
):
    """SmolLM2 makes no tool calls by itself, so what another engine began stands here as begun."""
    ledger = Ledger()
    ledger.add([ToolCallDelta(0, "call_1", "write_report", said)])
    messages = [{"role": "user", "content": "Write a short report about Hamburg."}]
    body = {"messages": messages, "tools": [REPORT], "model": MODEL, "max_tokens": 200}
    asked = Ask("chat/completions", MODEL, body)
    [plan] = ways_on(asked, ledger, None, Capabilities("prefill"), "llama.cpp")
    connections = Connections()
    settings = replicas[0].upstream("a")
    upstream = Upstream(settings, connections, AdapterSettings(api_key="key"))
    attempt = Attempt(Replica(upstream, MODEL, asyncio.Event()), plan, 1, ledger)
    events = await attempt.begin(1)
    while more := await attempt.read():
        events += more
    await attempt.close()
    connections.close()
    rest = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    arguments = json.loads(said + rest)
    assert set(arguments) == {"title", "text"}
    assert [event.reason for event in events if isinstance(event, Finish)] == ["tool_calls"]

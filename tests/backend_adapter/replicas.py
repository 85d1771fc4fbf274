"""Scripts and questions for tests in which one replica takes over from another."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from scripted import (
    KEY,
    Client,
    Reply,
    RunningAdapter,
    Script,
    ScriptedUpstream,
    Turn,
    chunk,
)

CHAT = "/v1/chat/completions"
GREEDY = {"temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
WORDS = ("Guten", " Tag", ",", " Welt", "!")


def in_turn(*scripts: Script) -> Script:
    """One script for each request, whoever of the replicas gets it."""
    left = iter(scripts)

    async def script(turn: Turn) -> None:
        await next(left)(turn)

    return script


def say(*words: str) -> Script:
    return lambda turn: turn.say(*words)


def break_after(count: int, *, wait: bool = True) -> Script:
    """Say some of the words, and break off when the test has heard them."""

    async def script(turn: Turn) -> None:
        await turn.send(*(chunk({"content": word}) for word in WORDS[:count]))
        if wait:
            await turn.heard.wait()
        turn.cut()

    return script


async def hang(turn: Turn) -> None:
    await asyncio.Event().wait()


def refuse(status: int, **headers: str) -> Script:
    async def script(turn: Turn) -> None:
        body = json.dumps({"error": {"message": "not now"}})
        turn._response = web.Response(
            status=status, text=body, content_type="application/json", headers=headers
        )

    return script


async def ready(client: Client, adapter: RunningAdapter, *names: str) -> None:
    """Wait until these upstreams have proved that they can answer."""
    async with asyncio.timeout(20):
        while True:
            upstreams = (await client.get(adapter, "/ready", key=None)).json["upstreams"]
            if all(upstreams.get(name) == "ready" for name in names):
                return
            await asyncio.sleep(0.02)


async def answer(
    client: Client,
    adapter: RunningAdapter,
    replicas: Sequence[ScriptedUpstream],
    body: dict[str, Any],
    **headers: str,
) -> Reply:
    """A streamed answer; the replica that speaks may break off once its first words have come."""
    headers = {"Authorization": f"Bearer {KEY}", **headers}
    async with client.session.post(adapter.url + CHAT, json=body, headers=headers) as response:
        read = b""
        async for piece in response.content.iter_any():
            read += piece
            for turn in [turn for each in replicas for turn in each.turns]:
                turn.heard.set()
        return Reply(response.status, response.headers, read.decode())


def text_of(reply: Reply) -> str:
    return "".join(delta.get("content") or "" for delta in reply.deltas)


def turns(*replicas: ScriptedUpstream) -> int:
    return sum(len(each.turns) for each in replicas)


Pair = tuple[ScriptedUpstream, ScriptedUpstream]


def both(pair: Pair, *scripts: Script) -> None:
    script = in_turn(*scripts)
    for each in pair:
        each.script = script

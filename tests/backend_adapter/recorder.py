"""A raw TCP server in an upstream's place that keeps every byte, and an adapter in front of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from scripted import Client, RunningAdapter, StartAdapter

from backend_adapter.egress.known.skeleton import compact, words
from backend_adapter.egress.labels import digest_of
from backend_adapter.settings import UpstreamSettings

CHAT = "/v1/chat/completions"
KEY = "k" * 32


class Recorder:
    """A socket that keeps every byte that it gets, and says the last message again, three characters at a time."""

    def __init__(self) -> None:
        self.got = b""
        self.port = 0
        self.calls_tools = False
        # So many characters of an answer at a time.
        self.cut = 3
        # Set to one that is never set: questions are not answered; probes are.
        self.hangs: asyncio.Event | None = None

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Recorder"]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    def upstream(self, name: str = "far", **given: Any) -> UpstreamSettings:
        base_url = f"http://127.0.0.1:{self.port}/v1"
        return UpstreamSettings(name=name, base_url=base_url, models=("m",), **given)

    def heard_of(self, value: str) -> bool:
        """Whether a value went over the wire in any form that its skeleton shows, or as JSON writes it."""
        wire = self.got.decode(errors="replace")
        escaped = json.dumps(value)[1:-1]
        return compact(words(value)) in compact(words(wire)) or escaped in wire

    def bodies(self) -> list[Any]:
        """The bodies of the chats that it got."""
        found, rest = [], self.got
        while head := rest.partition(b"\r\n\r\n")[0]:
            begin = len(head) + 4
            end = begin + _length(head)
            body, rest = rest[begin:end], rest[end:]
            if head.startswith(b"POST"):
                found.append(json.loads(body))
        return found

    def questions(self) -> list[str]:
        """What was asked last in each chat that asks who somebody is."""
        return [
            said
            for body in self.bodies()
            if isinstance(said := body.get("messages", [{}])[-1].get("content"), str)
            and said.startswith("Who")
        ]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = await reader.readexactly(_length(head))
                self.got += head + body
                if head.startswith(b"GET"):
                    reply, kind = b'{"object":"list","data":[{"id":"m"}]}', b"application/json"
                elif b"/embeddings" in head.split(b"\r\n", 1)[0]:
                    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
                    usage = {"prompt_tokens": 1, "total_tokens": 1}
                    listed = {"object": "list", "data": [vector], "model": "m", "usage": usage}
                    reply, kind = json.dumps(listed).encode(), b"application/json"
                else:
                    if self.hangs is not None and b'"Hi"' not in body:
                        await self.hangs.wait()
                    reply, kind = self._said(json.loads(body)), b"text/event-stream"
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                    % (kind, len(reply))
                )
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _said(self, body: dict[str, Any]) -> bytes:
        if "messages" not in body:
            return _events([{"text": piece} for piece in _pieces(body["prompt"], self.cut)], "stop")
        said = body["messages"][-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        if not self.calls_tools or len(body["messages"]) > 1:
            deltas = [{"content": piece} for piece in _pieces(said, self.cut)]
            return _events([{"delta": delta} for delta in deltas], "stop")
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look_up"}}
        arguments = json.dumps({"who": said}, ensure_ascii=False)
        deltas = [{"tool_calls": [call]}]
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
            for piece in _pieces(arguments, self.cut)
        ]
        return _events([{"delta": delta} for delta in deltas], "tool_calls")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _pieces(text: str, size: int) -> list[str]:
    return [text[begin : begin + size] for begin in range(0, len(text), size)]


def _events(choices: list[dict[str, Any]], finish: str) -> bytes:
    chunks = [{"choices": [{"index": 0, "finish_reason": None, **each}]} for each in choices]
    chunks.append({"choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": finish}]})
    return b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in chunks) + (
        b"data: [DONE]\n\n"
    )


async def start(
    client: Client, start_adapter: StartAdapter, *upstreams: UpstreamSettings, **settings: Any
) -> RunningAdapter:
    adapter = start_adapter(upstreams=upstreams, **settings)
    async with asyncio.timeout(20):
        while True:
            ready = (await client.get(adapter, "/ready", key=None)).json["upstreams"]
            if set(ready.values()) == {"ready"}:
                return adapter
            await asyncio.sleep(0.02)


def question(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


LABELS_KEY = "the-labels-key"


async def register(
    client: Client, adapter: RunningAdapter, chat: str, result: str, **more: Any
) -> None:
    """What one of the site's servers does before it hands a result out."""
    given = {"chat": chat, "source": "files/intern", "class": "internal", "passages": 1}
    given |= {"digest": digest_of(result), **more}
    headers = {"Authorization": f"Bearer {LABELS_KEY}"}
    async with client.session.post(
        f"{adapter.url}/v1/site/labels", json=given, headers=headers
    ) as response:
        assert response.status == 201, await response.text()

"""What a raw TCP recorder in the upstream's place sees of requests, and what clients get back."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted import Client, RunningAdapter, StartAdapter

from backend_adapter.egress.skeleton import compact, words
from backend_adapter.settings import UpstreamSettings

CHAT = "/v1/chat/completions"
NAME, IBAN = "Jörg Weißmüller", "DE89370400440532013000"
KEY = "k" * 32


class Recorder:
    """A socket that keeps every byte that it gets, and says the last message again, three characters at a time."""

    def __init__(self) -> None:
        self.got = b""
        self.port = 0
        self.calls_tools = False
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
            return _events([{"text": piece} for piece in _pieces(body["prompt"])], "stop")
        said = body["messages"][-1]["content"]
        said = said if isinstance(said, str) else said[0]["text"]
        if not self.calls_tools or len(body["messages"]) > 1:
            deltas = [{"content": piece} for piece in _pieces(said)]
            return _events([{"delta": delta} for delta in deltas], "stop")
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look_up"}}
        arguments = json.dumps({"who": said}, ensure_ascii=False)
        deltas = [{"tool_calls": [call]}]
        deltas += [
            {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
            for piece in _pieces(arguments)
        ]
        return _events([{"delta": delta} for delta in deltas], "tool_calls")


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _pieces(text: str) -> list[str]:
    return [text[begin : begin + 3] for begin in range(0, len(text), 3)]


def _events(choices: list[dict[str, Any]], finish: str) -> bytes:
    chunks = [{"choices": [{"index": 0, "finish_reason": None, **each}]} for each in choices]
    chunks.append({"choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": finish}]})
    return b"".join(b"data: %s\n\n" % json.dumps(each).encode() for each in chunks) + (
        b"data: [DONE]\n\n"
    )


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    async with Recorder().listening() as recorder:
        yield recorder


@pytest.fixture
def protecting(tmp_path: Path) -> dict[str, Any]:
    """Settings of an adapter that knows a person and an account."""
    people, accounts = tmp_path / "people.txt", tmp_path / "accounts.csv"
    people.write_text(f"{NAME}\nAnna Lang\n", encoding="utf-8")
    accounts.write_text(f"owner;iban\nsomebody;{IBAN}\n", encoding="utf-8")
    return {
        "egress": {
            "key": KEY,
            "dictionaries": [
                {"path": people, "kind": "person"},
                {"path": accounts, "column": "iban", "kind": "iban"},
            ],
        }
    }


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


TEXT = f"Was hat {NAME} (DE89 3704 0044 0532 0130 00) mit JOERG WEISSMUELLERs Konto {IBAN} vor?"


@pytest.mark.parametrize("trust", ["partner", "public"])
async def test_what_a_client_writes_leaves_under_pseudonyms_and_comes_back_as_it_was(
    recorder: Recorder,
    protecting: dict[str, Any],
    start_adapter: StartAdapter,
    client: Client,
    trust: str,
) -> None:
    adapter = await start(client, start_adapter, recorder.upstream(trust=trust), **protecting)
    answer = await client.post(adapter, CHAT, question(f"Was hat {NAME}s Konto {IBAN}?"))

    assert answer.json["choices"][0]["message"]["content"] == f"Was hat {NAME}s Konto {IBAN}?"
    answer = await client.post(adapter, CHAT, question(TEXT))
    # What was written in two ways comes back in one: as the site's list has it.
    assert answer.json["choices"][0]["message"]["content"] == (
        f"Was hat {NAME} ({IBAN}) mit {NAME}s Konto {IBAN} vor?"
    )
    assert not recorder.heard_of(NAME)
    assert not recorder.heard_of(IBAN)
    assert b"Person-" in recorder.got


async def test_to_an_upstream_of_the_site_it_goes_as_it_is(
    recorder: Recorder, protecting: dict[str, Any], start_adapter: StartAdapter, client: Client
) -> None:
    adapter = await start(client, start_adapter, recorder.upstream(trust="site"), **protecting)
    await client.post(adapter, CHAT, question(TEXT))
    assert recorder.heard_of(NAME)
    assert recorder.heard_of(IBAN)


async def test_where_one_of_the_replicas_is_outside_all_get_the_same(
    recorder: Recorder, protecting: dict[str, Any], start_adapter: StartAdapter, client: Client
) -> None:
    async with Recorder().listening() as other:
        adapter = await start(
            client,
            start_adapter,
            recorder.upstream("near", trust="site"),
            other.upstream("far"),
            selection="round_robin",
            **protecting,
        )
        for _ in range(4):
            await client.post(adapter, CHAT, question(TEXT))
        for each in (recorder, other):
            assert b"Person-" in each.got
            assert not each.heard_of(NAME)


async def test_the_arguments_of_a_call_are_restored_for_the_tool_and_go_out_again_protected(
    recorder: Recorder, protecting: dict[str, Any], start_adapter: StartAdapter, client: Client
) -> None:
    recorder.calls_tools = True
    adapter = await start(client, start_adapter, recorder.upstream(), **protecting)
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    body = question(NAME, tools=tools)
    message = (await client.post(adapter, CHAT, body)).json["choices"][0]["message"]
    [call] = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"who": NAME}

    result = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"name": NAME})}
    body["messages"] += [message, result]
    answer = await client.post(adapter, CHAT, body)
    assert json.loads(answer.json["choices"][0]["message"]["content"]) == {"name": NAME}
    assert not recorder.heard_of(NAME)


async def test_streams_completions_responses_and_embeddings_pass_the_same_door(
    recorder: Recorder, protecting: dict[str, Any], start_adapter: StartAdapter, client: Client
) -> None:
    adapter = await start(client, start_adapter, recorder.upstream(), **protecting)
    async with client.stream(adapter, CHAT, question(NAME, stream=True)) as response:
        streamed = await response.text()
    chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == NAME
    completed = await client.post(adapter, "/v1/completions", {"model": "m", "prompt": NAME})
    assert completed.json["choices"][0]["text"] == NAME
    responded = await client.post(adapter, "/v1/responses", {"model": "m", "input": NAME})
    assert responded.json["output"][-1]["content"][0]["text"] == NAME
    embedded = await client.post(adapter, "/v1/embeddings", {"model": "m", "input": [NAME]})
    assert embedded.status == 200
    assert b"/embeddings" in recorder.got
    assert not recorder.heard_of(NAME)


async def test_an_answer_that_began_on_site_does_not_go_on_outside(
    recorder: Recorder, protecting: dict[str, Any], start_adapter: StartAdapter, client: Client
) -> None:
    """The upstream outside comes while the question, which is not protected, waits for its answer."""
    recorder.hangs = asyncio.Event()
    adapter = await start(
        client,
        start_adapter,
        recorder.upstream(trust="site"),
        admin_key="the-operator",
        stall_timeout_s=1,
        first_token_timeout_s=1,
        patience_s=1,
        **protecting,
    )
    async with Recorder().listening() as outside:
        asked = asyncio.create_task(client.post(adapter, CHAT, question(TEXT)))
        async with asyncio.timeout(20):
            while not recorder.heard_of(NAME):
                await asyncio.sleep(0.02)
        added = {"name": "late", "base_url": f"http://127.0.0.1:{outside.port}/v1"}
        headers = {"Authorization": "Bearer the-operator"}
        async with client.session.post(
            f"{adapter.url}/v1/topology", json=added, headers=headers
        ) as response:
            assert response.status == 201
        async with asyncio.timeout(20):
            while b'"Hi"' not in outside.got:
                await asyncio.sleep(0.02)
        answer = await asked
        assert answer.status == 504
        assert not outside.heard_of(NAME)
        # From now on the model is asked under pseudonyms, wherever it answers.
        await client.post(adapter, CHAT, question(TEXT))
        assert b"Person-" in outside.got
        assert not outside.heard_of(NAME)


async def test_a_picture_does_not_leave_and_the_client_is_told_why(
    recorder: Recorder, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = await start(client, start_adapter, recorder.upstream())
    picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture}},
    ]
    body = {"model": "m", "messages": [{"role": "user", "content": parts}]}
    answer = await client.post(adapter, CHAT, body)
    assert answer.status == 403
    assert answer.json["error"]["code"] == "egress_refused"
    assert "image_url" in answer.json["error"]["message"]
    assert b"iVBOR" not in recorder.got and b"What is this?" not in recorder.got


async def test_what_cannot_be_looked_through_does_not_leave(
    recorder: Recorder, protecting: dict[str, Any], start_adapter: StartAdapter, client: Client
) -> None:
    adapter = await start(client, start_adapter, recorder.upstream(), **protecting)
    deep: Any = NAME
    for _ in range(80):
        deep = {"properties": {"a": deep}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": deep}}]
    answer = await client.post(adapter, CHAT, question("Hello", tools=tools))
    assert (answer.status, answer.json["error"]["code"]) == (403, "egress_refused")
    assert not recorder.heard_of(NAME)

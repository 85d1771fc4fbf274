import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from scripted import (
    Client,
    Reply,
    RunningAdapter,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
)

CHAT = "/v1/chat/completions"
PAGE = "<html><body><h1>502 Bad Gateway</h1><script>alert(1)</script></body></html>"


async def silence(turn: Turn) -> None:
    """Take the request and never answer."""
    await asyncio.Event().wait()


async def begin_and_hang(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}))
    await asyncio.Event().wait()


async def begin_and_comment(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}))
    while True:
        await turn.send(b": still here\n\n")
        await asyncio.sleep(0.01)


async def begin_and_cut(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}))
    await turn.heard.wait()
    turn.cut()


async def begin_and_garble(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}))
    await turn.heard.wait()
    assert turn.request.transport is not None
    turn.request.transport.write(b"this is no chunk\r\n")
    await asyncio.Event().wait()


async def begin_and_end(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}))


async def begin_and_fail(turn: Turn) -> None:
    error = {"error": {"message": f"worker died {PAGE}", "code": 500, "event": {}}}
    await turn.send(chunk({"content": "Gu"}), error, "[DONE]")


async def begin_and_babble(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}), PAGE, "[DONE]")


async def begin_and_overflow(turn: Turn) -> None:
    await turn.send(chunk({"content": "Gu"}))
    while True:
        await turn.send(b"data: " + b"x" * 65536)


BROKEN = {
    begin_and_hang: "upstream_timeout",
    begin_and_comment: "upstream_timeout",
    begin_and_cut: "upstream_unreachable",
    begin_and_garble: "upstream_unreachable",
    begin_and_end: "incomplete",
    begin_and_fail: "upstream_error",
    begin_and_babble: "unreadable_chunk",
    begin_and_overflow: "upstream_unreadable",
}


def assert_safe(reply: Reply, upstream: ScriptedUpstream) -> None:
    """Neither the upstream's address and key nor any of its markup is in what the client got."""
    for secret in ("upstream-key", upstream.base_url.split("/")[2], "<", ">"):
        assert secret not in reply.text


@pytest.mark.parametrize("script", BROKEN, ids=lambda script: script.__name__)
async def test_an_answer_that_breaks_off_keeps_its_text_and_ends_in_an_error(
    script: Any, upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = script
    adapter = start_adapter(upstream, stall_timeout_s=0.3)
    async with client.stream(adapter, CHAT, ask(stream=True)) as response:
        assert response.status == 200
        begun = await response.content.readuntil(b"\n\n")
        upstream.turns[0].heard.set()
        rest = await response.content.read()
    reply = Reply(response.status, response.headers, (begun + rest).decode())
    text, error = reply.frames
    assert text["choices"][0]["delta"]["content"] == "Gu"
    assert error["error"]["code"] == BROKEN[script]
    assert "up0" in error["error"]["message"]
    assert text["choices"][0]["finish_reason"] is None
    assert_safe(reply, upstream)


@pytest.mark.parametrize("script", BROKEN, ids=lambda script: script.__name__)
async def test_an_answer_that_breaks_off_is_an_http_error_to_who_wants_it_whole(
    script: Any, upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = script
    adapter = start_adapter(upstream, stall_timeout_s=0.3)
    asking = asyncio.create_task(client.post(adapter, CHAT, ask()))
    await eventually(lambda: len(upstream.turns) == 1)
    upstream.turns[0].heard.set()
    reply = await asking
    assert reply.status == (504 if BROKEN[script] == "upstream_timeout" else 502)
    assert reply.error["code"] == BROKEN[script]
    assert_safe(reply, upstream)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("begun", [True, False])
async def test_an_upstream_that_does_not_begin_is_a_timeout(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    stream: bool,
    begun: bool,
):
    async def only_headers(turn: Turn) -> None:
        await turn.begin()
        await turn.send(chunk({"role": "assistant", "content": ""}))
        await asyncio.Event().wait()

    upstream.script = only_headers if begun else silence
    adapter = start_adapter(upstream, first_token_timeout_s=0.3)
    reply = await client.post(adapter, CHAT, ask(stream=stream))
    assert reply.status == 504
    assert reply.error["code"] == "upstream_timeout"
    assert "first_token_timeout_s" in reply.error["message"]
    await eventually(lambda: upstream.aborted == 1)


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue is full, so that no connection is accepted."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for each in waiting:
            each.close()


async def test_a_host_that_accepts_no_connection_is_named(
    full_port: int, start_adapter: StartAdapter, client: Client
):
    named = {"name": "far", "base_url": f"http://127.0.0.1:{full_port}/v1", "models": ["scripted"]}
    adapter = start_adapter(upstreams=[named], connect_timeout_s=0.3)
    reply = await client.post(adapter, CHAT, ask())
    assert (reply.status, reply.error["code"]) == (502, "upstream_unreachable")
    assert "far" in reply.error["message"]


@pytest.mark.parametrize(
    ("status", "body", "answered", "says"),
    [
        (400, {"error": {"message": "context is <b>too</b> long"}}, 400, "context is too long"),
        (400, {"message": "bad\nfield"}, 400, "bad field"),
        (422, {"detail": "no such thing"}, 422, "no such thing"),
        (413, {"error": "too large"}, 413, "too large"),
        (400, PAGE, 400, "no reason given"),
        (400, {"error": {"message": "x" * 9999}}, 400, "xxx…"),
        (429, {"error": {"message": "slow down"}}, 429, "slow down"),
        (401, {"error": {"message": "key upstream-key is wrong"}}, 502, "key"),
        (403, PAGE, 502, "key"),
        (404, {"error": {"message": "no model"}}, 502, "base_url"),
        (500, PAGE, 502, "HTTP 500"),
        (503, "", 502, "HTTP 503"),
        (302, "", 502, "redirects"),
        (200, PAGE, 502, "text/html"),
        (200, {"choices": []}, 502, "application/json"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_an_upstream_s_refusal_becomes_an_error_of_our_own(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    stream: bool,
    status: int,
    body: Any,
    answered: int,
    says: str,
):
    kind = "text/html" if isinstance(body, str) else "application/json"
    upstream.refuse(status, body if isinstance(body, str) else json.dumps(body), kind)
    reply = await client.post(start_adapter(upstream), CHAT, ask(stream=stream))
    assert reply.status == answered
    assert reply.headers["content-type"] == "application/json"
    assert says in reply.error["message"]
    assert "up0" in reply.error["message"]
    assert len(reply.error["message"]) < 500
    assert_safe(reply, upstream)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("script", [silence, begin_and_hang], ids=["silent", "begun"])
async def test_a_client_that_leaves_ends_the_upstream_s_work(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    stream: bool,
    script: Any,
):
    upstream.script = script
    adapter = start_adapter(upstream)
    asking = asyncio.create_task(client.post(adapter, CHAT, ask(stream=stream)))
    await eventually(lambda: len(upstream.turns) == 1)
    if script is begin_and_hang:
        await eventually(lambda: upstream.turns[0]._response is not None)
    assert upstream.aborted == 0
    asking.cancel()
    await eventually(lambda: upstream.aborted == 1)


async def test_an_upstream_waits_for_a_client_that_does_not_read(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    held_up = asyncio.Event()
    most = 1000  # of 64 KiB: more than all the buffers on the way hold

    async def flood(turn: Turn) -> None:
        for _ in range(most):
            try:
                await asyncio.wait_for(turn.send(chunk({"content": "x" * 65536})), 1)
            except TimeoutError:
                held_up.set()
                await asyncio.Event().wait()

    upstream.script = flood
    adapter = start_adapter(upstream)
    async with client.stream(adapter, CHAT, ask(stream=True)) as response:
        assert response.status == 200
        await held_up.wait()
    await eventually(lambda: upstream.aborted == 1)


async def read_until(content: aiohttp.StreamReader, line: bytes) -> list[bytes]:
    """The lines up to this one."""
    lines = []
    while not lines or lines[-1] != line:
        lines.append((await content.readline()).rstrip(b"\n"))
    return lines


async def test_silence_is_bridged_by_comments_before_and_within_an_answer(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    heard = asyncio.Event()

    async def pause(turn: Turn) -> None:
        await heard.wait()
        heard.clear()
        await turn.send(chunk({"content": "Guten"}))
        await heard.wait()
        await turn.say(" Tag")

    upstream.script = pause
    adapter = start_adapter(upstream, keep_alive_s=0.1)
    async with client.stream(adapter, CHAT, ask(stream=True)) as response:
        assert response.status == 200
        assert not [
            line for line in await read_until(response.content, b": keep-alive") if b"data" in line
        ]
        heard.set()
        before = await read_until(response.content, b": keep-alive")
        while b"Guten" not in b"".join(before):
            before += await read_until(response.content, b": keep-alive")
        heard.set()
        rest = await response.content.read()
    assert rest.endswith(b"data: [DONE]\n\n")
    assert b" Tag" in rest


async def test_a_fault_after_a_comment_is_told_in_the_stream(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = silence
    adapter = start_adapter(upstream, keep_alive_s=0.1, first_token_timeout_s=0.5)
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert reply.status == 200
    assert reply.text.startswith(": keep-alive\n\n")
    [error] = reply.frames
    assert error["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize("status", [500, 503, 401, 404, 429, 0])
async def test_a_replica_that_fails_at_once_is_passed_over(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    status: int,
):
    adapter = start_adapter(upstream, second_upstream, selection="round_robin")
    second_upstream.script = lambda turn: turn.say("from the second")
    if status:
        upstream.refuse(status, PAGE)
    else:
        upstream.script = hang_up
    await ready(client, adapter, "up0", "up1")
    for _ in range(4):
        reply = await client.post(adapter, CHAT, ask())
        assert reply.json["choices"][0]["message"]["content"] == "from the second"
    assert upstream.turns


async def hang_up(turn: Turn) -> None:
    turn.cut()
    await asyncio.Event().wait()


async def ready(client: Client, adapter: RunningAdapter, *names: str) -> None:
    """Wait until these upstreams are ready."""
    async with asyncio.timeout(20):
        while True:
            upstreams = (await client.get(adapter, "/ready", key=None)).json["upstreams"]
            if all(upstreams[name] == "ready" for name in names):
                return
            await asyncio.sleep(0.02)


async def test_a_request_at_fault_is_not_tried_on_the_next_replica(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
):
    adapter = start_adapter(upstream, second_upstream)
    await ready(client, adapter, "up0", "up1")
    for each in (upstream, second_upstream):
        each.refuse(400, '{"error": {"message": "too long"}}')
    assert (await client.post(adapter, CHAT, ask())).status == 400
    assert len(upstream.turns) + len(second_upstream.turns) == 1


async def test_a_connection_serves_again_after_an_answer(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream, catalogue_refresh_s=3600)
    for _ in range(3):
        assert (await client.post(adapter, CHAT, ask(stream=True))).status == 200
    peers = {turn.request.transport for turn in upstream.turns}
    assert len(peers) <= 2


async def test_a_kept_connection_that_was_closed_unannounced_costs_no_answer(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    served = []

    async def answer_once_per_connection(turn: Turn) -> None:
        if turn.request.transport in served:
            turn.cut()
            await asyncio.Event().wait()
        served.append(turn.request.transport)
        await turn.say("Hello")

    upstream.script = answer_once_per_connection
    adapter = start_adapter(upstream, catalogue_refresh_s=3600)
    for _ in range(5):
        assert (await client.post(adapter, CHAT, ask(stream=True))).status == 200
    assert len(upstream.turns) > len(served)

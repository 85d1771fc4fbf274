"""What a client gets when the replica that answers it fails: the rules one by one.

The whole matrix of faults and places is in test_fault_matrix.py.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web
from scripted import (
    KEY,
    Client,
    Reply,
    RunningAdapter,
    Script,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
    usage,
)

CHAT = "/v1/chat/completions"
OPERATOR = "the-operator"
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


@pytest.fixture
async def pair(
    upstream: ScriptedUpstream, second_upstream: ScriptedUpstream
) -> tuple[ScriptedUpstream, ScriptedUpstream]:
    return upstream, second_upstream


Pair = tuple[ScriptedUpstream, ScriptedUpstream]


def both(pair: Pair, *scripts: Script) -> None:
    script = in_turn(*scripts)
    for each in pair:
        each.script = script


@pytest.mark.parametrize(
    "first", [refuse(429), refuse(500), refuse(503)], ids=["429", "500", "503"]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_first_token_another_replica_is_asked_and_nobody_notices(
    pair: Pair, start_adapter: StartAdapter, client: Client, first: Script, stream: bool
):
    both(pair, first, say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(stream=stream))
    assert reply.status == 200
    assert "broke off" not in reply.text
    assert [len(each.turns) for each in pair] == [1, 1]


async def test_a_replica_that_only_sends_headers_is_left_for_another(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    async def headers(turn: Turn) -> None:
        await turn.begin()
        await turn.send(chunk({"role": "assistant"}))
        await asyncio.Event().wait()

    both(pair, headers, say(*WORDS))
    adapter = start_adapter(*pair, first_token_timeout_s=0.3)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert text_of(reply) == "".join(WORDS)


async def test_an_overloaded_replica_gets_nothing_for_as_long_as_it_says(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, refuse(429, **{"Retry-After": "60"}), *(say("fine") for _ in range(8)))
    adapter = start_adapter(*pair, selection="round_robin")
    await ready(client, adapter, "up0", "up1")
    for _ in range(8):
        assert (await client.post(adapter, CHAT, ask())).status == 200
    assert sorted(len(each.turns) for each in pair) == [1, 8]


async def test_when_all_are_overloaded_the_client_is_told_the_shortest_wait(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    waits = [refuse(429, **{"Retry-After": wait}) for wait in ("9", "4")]
    both(pair, *waits)
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert (reply.status, reply.headers["Retry-After"]) == (429, "4")
    assert reply.error["code"] == "upstream_overloaded"


async def test_overload_is_not_blamed_where_another_replica_is_at_fault(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, refuse(500), refuse(429))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask())
    assert reply.status == 502


@pytest.mark.parametrize("open_webui", [True, False])
async def test_after_the_first_token_the_answer_goes_on_as_one(
    pair: Pair, start_adapter: StartAdapter, client: Client, open_webui: bool
):
    both(pair, break_after(2), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    headers = {"X-Hoheit-Chat-Id": "chat-1"} if open_webui else {}
    reply = await answer(client, adapter, pair, ask(**GREEDY), **headers)
    frames = reply.frames
    statuses = [each for each in frames if "event" in each and each != "[DONE]"]
    chunks = [each for each in frames if each != "[DONE]" and "choices" in each]
    assert text_of(reply) == "".join(WORDS)
    assert len({each["id"] for each in chunks}) == 1
    assert sum("role" in delta for delta in reply.deltas) == 1
    assert [each["usage"]["completion_tokens"] for each in chunks if "usage" in each] == [5]
    finishes = [each["choices"][0]["finish_reason"] for each in chunks if each["choices"]]
    assert [each for each in finishes if each] == ["stop"]
    assert frames.count("[DONE]") == 1
    told = [line for line in reply.text.split("\n\n") if line.startswith(": ")]
    if open_webui:
        [status] = statuses
        description = status["event"]["data"]["description"]
        assert status["event"]["type"] == "status"
        assert status["event"]["data"]["done"] is True
        assert told == []
        assert frames.index(status) < len(frames) - 3
    else:
        assert statuses == []
        [description] = told
    assert "up0" in description
    assert "up1" in description


async def test_a_whole_answer_is_gone_on_with_too(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_after(3, wait=False), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(temperature=0))
    assert reply.json["choices"][0]["message"]["content"] == "".join(WORDS)
    assert reply.json["usage"]["completion_tokens"] == 5


async def test_a_replica_that_says_it_otherwise_is_not_believed(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_after(2), say("Guten", " Abend"), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)
    assert turns(*pair) == 3


@pytest.mark.parametrize(
    "body", [{"temperature": 1}, {"n": 2, "temperature": 0}], ids=["sampled", "n"]
)
async def test_what_nobody_can_go_on_with_ends_in_an_error_that_keeps_the_text(
    pair: Pair, start_adapter: StartAdapter, client: Client, body: dict[str, Any]
):
    both(pair, break_after(2), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**{**GREEDY, **body}))
    assert reply.status == 200
    assert text_of(reply) == "Guten Tag"
    assert set(reply.frames[-1]["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in reply.frames
    assert turns(*pair) == 1


async def test_a_lone_upstream_that_broke_off_is_asked_again(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = in_turn(break_after(2), say(*WORDS))
    adapter = start_adapter(upstream)
    reply = await answer(client, adapter, [upstream], ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)
    assert "asked again" in reply.text


async def test_one_that_hangs_is_not_asked_again_for_the_same_answer(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    async def begin_and_hang(turn: Turn) -> None:
        await turn.send(chunk({"content": "Guten"}))
        await hang(turn)

    upstream.script = in_turn(begin_and_hang, say(*WORDS))
    adapter = start_adapter(upstream, stall_timeout_s=0.3)
    reply = await answer(client, adapter, [upstream], ask(**GREEDY))
    assert reply.frames[-1]["error"]["code"] == "upstream_timeout"
    assert len(upstream.turns) == 1


async def test_an_answer_may_be_gone_on_with_many_times(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    breaks = [break_after(count, wait=False) for count in (1, 2, 3, 4)]
    both(pair, *breaks, say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)
    assert turns(*pair) == 5


async def test_a_client_that_leaves_while_another_replica_goes_on_ends_its_work(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_after(2, wait=False), hang)
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    asking = asyncio.create_task(answer(client, adapter, pair, ask(**GREEDY)))
    await eventually(lambda: turns(*pair) == 2)
    asking.cancel()
    await eventually(lambda: sum(each.aborted for each in pair) >= 1)


# Engines that go on from what there is.


async def say_with_ids(turn: Turn) -> None:
    """As vLLM answers the adapter's probe: with token ids."""
    first = {"choices": [{"index": 0, "delta": {"role": "assistant"}}], "prompt_token_ids": [1, 2]}
    word = chunk({"content": "ok"})
    word["choices"][0]["token_ids"] = [7]
    await turn.send(first, word, chunk(finish="length"), usage(2, 1), "[DONE]")


def break_with_ids(count: int) -> Script:
    async def script(turn: Turn) -> None:
        first = {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}
        await turn.send({**first, "prompt_token_ids": [1, 2, 3]})
        for number, word in enumerate(WORDS[:count]):
            said = chunk({"content": word})
            said["choices"][0]["token_ids"] = [10 + number]
            await turn.send(said)
        await turn.heard.wait()
        turn.cut()

    return script


def go_on_with_text(*words: str) -> Script:
    async def script(turn: Turn) -> None:
        for word in words:
            await turn.send({"choices": [{"index": 0, "text": word, "finish_reason": None}]})
        end = {"index": 0, "text": "", "finish_reason": "stop"}
        await turn.send({"choices": [end]}, usage(5, len(words)), "[DONE]")

    return script


def vllm_settings(pair: Pair) -> dict[str, Any]:
    named = [
        {"name": f"up{number}", "base_url": each.base_url, "engine": "vllm"}
        for number, each in enumerate(pair)
    ]
    for each in pair:
        each.probe_script = say_with_ids
    return {"upstreams": named}


async def test_token_ids_are_gone_on_with_and_the_limit_is_what_is_left(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_with_ids(2), go_on_with_text(*WORDS[2:]))
    adapter = start_adapter(**vllm_settings(pair))
    await ready(client, adapter, "up0", "up1")
    body = ask(**{**GREEDY, "temperature": 1}, max_tokens=50, min_tokens=4)
    reply = await answer(client, adapter, pair, body)
    assert text_of(reply) == "".join(WORDS)
    bodies = {turn.request.path: turn.body for each in pair for turn in each.turns}
    gone_on = bodies["/v1/completions"]
    assert gone_on["prompt"] == [1, 2, 3, 10, 11]
    assert (gone_on["max_tokens"], gone_on["min_tokens"]) == (48, 2)
    assert "messages" not in gone_on
    used = next(each["usage"] for each in reply.frames if "usage" in each)
    assert (used["prompt_tokens"], used["completion_tokens"]) == (3, 5)


@pytest.mark.parametrize(
    "more",
    [{"stop": ["\n\n"]}, {"frequency_penalty": 1.0}, {"response_format": {"type": "json_object"}}],
    ids=lambda more: next(iter(more)),
)
async def test_a_greedy_answer_that_depends_on_its_own_beginning_is_told_anew(
    pair: Pair, start_adapter: StartAdapter, client: Client, more: dict[str, Any]
):
    both(pair, break_with_ids(2), say(*WORDS))
    adapter = start_adapter(**vllm_settings(pair))
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**GREEDY, **more))
    assert text_of(reply) == "".join(WORDS)
    assert {turn.request.path for each in pair for turn in each.turns} == {CHAT}


async def test_an_engine_that_does_not_tell_the_text_of_ids_answers_anew(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
    both(pair, break_with_ids(2), say(*WORDS))
    adapter = start_adapter(**vllm_settings(pair))
    await ready(client, adapter, "up0", "up1")
    # With tools the text of the ids is needed, and the scripted upstream has no such path.
    reply = await answer(client, adapter, pair, ask(**GREEDY, tools=[tool]))
    assert text_of(reply) == "".join(WORDS)


# Who is asked.


async def test_hedging_asks_a_second_replica_and_ends_the_first(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, hang, say(*WORDS))
    adapter = start_adapter(*pair, hedge_after_s=0.1)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert text_of(reply) == "".join(WORDS)
    await eventually(lambda: sum(each.aborted for each in pair) == 1)


async def test_hedging_asks_nobody_where_the_first_is_quick(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, say(*WORDS))
    adapter = start_adapter(*pair, hedge_after_s=10)
    await ready(client, adapter, "up0", "up1")
    assert text_of(await client.post(adapter, CHAT, ask(stream=True))) == "".join(WORDS)
    assert turns(*pair) == 1


async def test_hedging_passes_a_refused_request_back(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, refuse(400))
    adapter = start_adapter(*pair, hedge_after_s=10)
    await ready(client, adapter, "up0", "up1")
    assert (await client.post(adapter, CHAT, ask())).status == 400
    assert turns(*pair) == 1


async def test_the_turns_of_a_conversation_go_to_one_replica_and_many_to_all(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    for number in range(12):
        before = [len(each.turns) for each in pair]
        messages = [{"role": "user", "content": f"question {number}"}]
        for _ in range(3):
            await client.post(adapter, CHAT, ask() | {"messages": messages})
            messages += [
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "And then?"},
            ]
        grown = [len(each.turns) - then for each, then in zip(pair, before, strict=True)]
        assert sorted(grown) == [0, 3]
    assert all(each.turns for each in pair)


# What operators do meanwhile.


async def operate(
    client: Client, adapter: RunningAdapter, method: str, path: str, body: object = None
) -> Any:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    url = f"{adapter.url}/v1/topology{path}"
    async with client.session.request(method, url, json=body, headers=headers) as response:
        assert response.status in (200, 201)
        return await response.json()


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/up0/drain"), ("DELETE", "/up0")], ids=["drain", "remove"]
)
async def test_an_answer_outlasts_its_replica_s_leaving(
    pair: Pair, start_adapter: StartAdapter, client: Client, method: str, path: str
):
    first, second = pair

    async def slowly(turn: Turn) -> None:
        await turn.send(chunk({"content": WORDS[0]}))
        await turn.heard.wait()
        await turn.say(*WORDS[1:])

    first.script = slowly
    adapter = start_adapter(first, admin_key=OPERATOR)
    await ready(client, adapter, "up0")
    headers = {"Authorization": f"Bearer {KEY}"}
    url = adapter.url + CHAT
    async with client.session.post(url, json=ask(stream=True), headers=headers) as response:
        begun = await response.content.readuntil(b"\n\n")
        added = {"name": "late", "base_url": second.base_url}
        await operate(client, adapter, "POST", "", added)
        await operate(client, adapter, method, path)
        await ready(client, adapter, "late")
        assert (await client.post(adapter, CHAT, ask())).status == 200
        assert len(second.turns) == 1
        first.turns[0].heard.set()
        rest = await response.content.read()
    reply = Reply(200, {}, (begun + rest).decode())
    assert text_of(reply) == "".join(WORDS)
    assert reply.frames[-1] == "[DONE]"
    assert len(first.turns) == 1


async def test_a_drained_replica_gets_work_again_when_it_is_resumed(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(*pair, admin_key=OPERATOR, selection="round_robin")
    await ready(client, adapter, "up0", "up1")
    await operate(client, adapter, "POST", "/up0/drain")
    for _ in range(4):
        assert (await client.post(adapter, CHAT, ask())).status == 200
    assert [len(each.turns) for each in pair] == [0, 4]
    await operate(client, adapter, "POST", "/up0/resume")
    for _ in range(4):
        await client.post(adapter, CHAT, ask())
    assert [len(each.turns) for each in pair] == [2, 6]


async def test_no_user_s_request_tests_a_replica_that_failed(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    """While it cannot generate, only the adapter's own probes reach it, though it lists its models."""
    failing, fine = pair
    adapter = start_adapter(*pair, selection="round_robin")
    await ready(client, adapter, "up0", "up1")
    failing.script = break_after(0, wait=False)
    failing.probe_script = refuse(500)
    for _ in range(6):
        assert (await client.post(adapter, CHAT, ask())).status == 200
    assert len(failing.turns) <= 1
    failing.script = fine.script
    failing.probe_script = say("ok")
    await ready(client, adapter, "up0")
    before = len(failing.turns)
    for _ in range(2):
        await client.post(adapter, CHAT, ask())
    assert len(failing.turns) == before + 1

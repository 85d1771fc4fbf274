"""Before the first token a client notices nothing of replicas that fail."""

import asyncio

import pytest
from replicas import (
    CHAT,
    WORDS,
    Pair,
    both,
    hang,
    ready,
    refuse,
    say,
    text_of,
    turns,
)
from scripted import (
    Client,
    Script,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
)

OPERATOR = "the-operator"


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


async def test_a_replica_that_has_just_failed_is_waited_for(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    async def cut(turn: Turn) -> None:
        turn.cut()

    both(pair, cut, cut, cut, say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert text_of(reply) == "".join(WORDS)


async def test_one_that_did_not_begin_in_time_is_not_waited_for_twice(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = hang
    adapter = start_adapter(upstream, first_token_timeout_s=0.3, patience_s=3600)
    await ready(client, adapter, "up0")
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert (reply.status, reply.error["code"]) == (504, "upstream_timeout")
    assert len(upstream.turns) == 1


async def test_nobody_waits_for_one_that_was_never_there(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = upstream.probe_script = refuse(500)
    adapter = start_adapter(upstream, patience_s=3600)
    await eventually(lambda: bool(upstream.probes))
    assert (await client.post(adapter, CHAT, ask())).status == 502


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

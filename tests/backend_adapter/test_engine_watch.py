"""A vLLM server's own word: its load steers and is shown, and a dead engine gets no requests."""

import asyncio
import json
from typing import Any

from aiohttp import web
from replicas import CHAT, Pair, in_turn, ready, refuse, say, turns
from samples import ADMIN, all_ready, scrape, seen, value
from scripted import (
    DEADLINE_S,
    Client,
    RunningAdapter,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
)
from vllm_servers import cache, told, vllm

DEAD = "EngineCore encountered an issue. See stack trace (above) for the root cause."
FIGURES = told("scripted", 0, 3.0, 2.0, 0.25) + cache(0, 4096)


async def dead(turn: Turn) -> None:
    """What vLLM 0.32 answers while its engine is dead."""
    error = {"message": DEAD, "type": "InternalServerError", "param": None, "code": 500}
    turn._response = web.json_response({"error": error}, status=500)


async def replica_of(client: Client, adapter: RunningAdapter) -> dict[str, Any]:
    """The first upstream's replica; empty before its models are known."""
    picture = (await client.get(adapter, "/v1/topology", ADMIN)).json
    replicas: list[dict[str, Any]] = picture["upstreams"][0]["replicas"]
    return replicas[0] if replicas else {}


async def until(client: Client, adapter: RunningAdapter, **wanted: Any) -> dict[str, Any]:
    """That replica, once it is so."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            replica = await replica_of(client, adapter)
            if wanted.items() <= replica.items():
                return replica
            await asyncio.sleep(0.01)


async def test_what_the_engine_says_of_its_load_is_shown(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.figures = FIGURES
    adapter = vllm(start_adapter, upstream)
    load = {"running": 3, "waiting": 2, "kv_cache_share": 0.25, "kv_cache_tokens": 4096}
    await until(client, adapter, engine_load=load)
    samples = await scrape(client, adapter)
    where = {"model": "scripted", "upstream": "up0"}
    assert value(samples, "hoheit_upstream_running_requests", **where) == 3
    assert value(samples, "hoheit_upstream_waiting_requests", **where) == 2
    assert value(samples, "hoheit_upstream_kv_cache_usage_ratio", **where) == 0.25

    upstream.figures = None
    await until(client, adapter, engine_load=None)
    names = {name for name, _ in await scrape(client, adapter)}
    assert not any(name.startswith("hoheit_upstream_kv") for name in names)


async def test_other_engines_are_not_asked_for_figures(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.figures, upstream.health = FIGURES, 503
    adapter = start_adapter(upstream, admin_key=ADMIN)
    await all_ready(client, adapter, 1)
    await asyncio.sleep(0.5)
    replica = await replica_of(client, adapter)
    assert (replica["engine_load"], replica["circuit"]) == (None, "closed")


async def test_a_conversation_leaves_a_replica_with_requests_waiting(
    pair: Pair, start_adapter: StartAdapter, client: Client
) -> None:
    for each in pair:
        each.figures = told("scripted", 0, 1.0, 0.0, 0.1)
    adapter = vllm(start_adapter, *pair)
    await ready(client, adapter, "up0", "up1")
    assert (await client.post(adapter, CHAT, ask())).status == 200
    home = next(each for each in pair if each.turns)
    other = next(each for each in pair if each is not home)
    home.figures = told("scripted", 0, 1.0, 4.0, 0.1)
    await seen(client, adapter, lambda s: value(s, "hoheit_upstream_waiting_requests") == 4)
    assert (await client.post(adapter, CHAT, ask())).status == 200
    assert (turns(home), turns(other)) == (1, 1)


async def test_a_dead_engine_is_taken_out_before_a_request_meets_it(
    pair: Pair, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = vllm(start_adapter, *pair)
    await ready(client, adapter, "up0", "up1")
    pair[0].script = pair[0].probe_script = dead
    pair[0].health = 503
    replica = await until(client, adapter, circuit="open")
    assert "engine of upstream up0 has died" in replica["reason"]
    for number in range(8):
        reply = await client.post(adapter, CHAT, ask(f"Question {number}"))
        assert reply.status == 200
    assert (turns(pair[0]), turns(pair[1])) == (0, 8)


async def test_a_server_that_is_gone_is_noticed_before_its_models_are_asked_for(
    start_adapter: StartAdapter, client: Client
) -> None:
    upstream = ScriptedUpstream()
    runner = await upstream.serve()
    adapter = vllm(start_adapter, upstream, catalogue_refresh_s=3600)
    try:
        await until(client, adapter, circuit="closed")
    finally:
        await runner.cleanup()
    await until(client, adapter, circuit="open")


async def test_a_dead_engine_is_used_again_only_when_it_has_given_a_token(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = vllm(start_adapter, upstream)
    await until(client, adapter, circuit="closed")
    upstream.health, upstream.script, upstream.probe_script = 503, dead, dead
    await until(client, adapter, circuit="open")
    upstream.health = 200
    before = len(upstream.probes)
    async with asyncio.timeout(DEADLINE_S):
        while len(upstream.probes) < before + 2:
            assert (await replica_of(client, adapter))["circuit"] != "closed"
            await asyncio.sleep(0.02)
    upstream.probe_script = say("ok")
    await until(client, adapter, circuit="closed")


async def test_an_answer_that_the_engine_is_dead_opens_the_circuit_at_once(
    pair: Pair, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = vllm(start_adapter, *pair)
    await ready(client, adapter, "up0", "up1")
    first = in_turn(dead, *[say("Hello")] * 9)
    for each in pair:
        each.script = first
    assert (await client.post(adapter, CHAT, ask())).status == 200
    samples = await scrape(client, adapter)
    assert value(samples, "hoheit_circuit_opened_total") == 1


async def test_one_plain_500_opens_no_circuit(
    pair: Pair, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = vllm(start_adapter, *pair)
    await ready(client, adapter, "up0", "up1")
    first = in_turn(refuse(500), *[say("Hello")] * 9)
    for each in pair:
        each.script = first
    assert (await client.post(adapter, CHAT, ask())).status == 200
    samples = await scrape(client, adapter)
    assert value(samples, "hoheit_replica_failures_total") == 1
    assert value(samples, "hoheit_circuit_opened_total") == 0


async def test_the_client_is_told_that_the_engine_is_dead(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = vllm(start_adapter, upstream, patience_s=0)
    await until(client, adapter, circuit="closed")
    upstream.script = upstream.probe_script = dead
    reply = await client.post(adapter, CHAT, ask())
    assert (reply.status, reply.error["code"]) == (502, "engine_dead")
    assert DEAD not in json.dumps(reply.json)
    samples = await scrape(client, adapter)
    assert value(samples, "hoheit_requests_total", error="engine_dead") == 1

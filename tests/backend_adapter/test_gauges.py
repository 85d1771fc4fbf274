"""GET /metrics: who runs, who waits, and how the upstreams are, while it is so."""

import asyncio

import pytest
from samples import ADMIN, CHAT, all_ready, scrape, seen, value
from scripted import (
    Client,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
)

from backend_adapter.settings import AdmissionSettings, UpstreamSettings


async def test_who_runs_and_who_waits_is_seen_while_they_do(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> None:
        await turn.send(chunk({"content": "Moment"}))
        await go_on.wait()
        await turn.say("!")

    upstream.script = wait
    adapter = start_adapter(
        upstream, admin_key=ADMIN, admission=AdmissionSettings(max_concurrent=1)
    )
    asked = [asyncio.create_task(client.post(adapter, CHAT, ask())) for _ in range(3)]
    samples = await seen(
        client,
        adapter,
        lambda s: (
            value(s, "hoheit_queued_requests") == 2
            and value(s, "hoheit_replica_running_requests") == 1
        ),
    )
    assert value(samples, "hoheit_running_requests", model="scripted") == 1
    assert value(samples, "hoheit_queued_requests", model="scripted", priority="chat") == 2
    assert value(samples, "hoheit_queued_requests", priority="background") == 0
    assert value(samples, "hoheit_replica_outstanding_tokens", upstream="up0") > 0
    go_on.set()
    assert [(await each).status for each in asked] == [200, 200, 200]
    samples = await scrape(client, adapter)
    for gauge in ("running_requests", "queued_requests", "replica_outstanding_tokens"):
        assert value(samples, f"hoheit_{gauge}", model="scripted") == 0
    assert value(samples, "hoheit_queue_wait_seconds_count") == 3
    assert value(samples, "hoheit_queue_wait_seconds_sum") > 0


@pytest.mark.parametrize(
    ("admission", "error", "waits"),
    [
        (AdmissionSettings(max_concurrent=1, max_queued=0), "queue_full", 0),
        (AdmissionSettings(max_concurrent=1, queue_timeout_s=0.1), "queue_timeout", 1),
    ],
)
async def test_who_is_not_let_in_is_counted_by_reason(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    admission: AdmissionSettings,
    error: str,
    waits: int,
) -> None:
    go_on = asyncio.Event()

    async def wait(turn: Turn) -> None:
        await go_on.wait()
        await turn.say("!")

    upstream.script = wait
    adapter = start_adapter(upstream, admin_key=ADMIN, admission=admission)
    first = asyncio.create_task(client.post(adapter, CHAT, ask()))
    await eventually(lambda: bool(upstream.turns))
    assert (await client.post(adapter, CHAT, ask())).status == 429
    samples = await scrape(client, adapter)
    assert value(samples, "hoheit_requests_total", status="4xx", error=error) == 1
    assert value(samples, "hoheit_queue_wait_seconds_count") == waits
    go_on.set()
    assert (await first).status == 200


async def test_the_state_of_every_circuit_is_one_of_four(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    states = {"starting", "closed", "open", "half_open"}
    adapter = start_adapter(upstream, admin_key=ADMIN, patience_s=0)
    samples = await all_ready(client, adapter, 1)
    assert value(samples, "hoheit_upstream_up", upstream="up0") == 1
    assert value(samples, "hoheit_model_ready", model="scripted") == 1
    assert value(samples, "hoheit_replica_ttft_seconds") >= 0
    upstream.script = upstream.probe_script = cut
    assert (await client.post(adapter, CHAT, ask())).status == 502
    samples = await seen(
        client, adapter, lambda s: value(s, "hoheit_circuit_state", state="closed") == 0
    )
    found = {
        dict(labels)["state"]: number
        for (name, labels), number in samples.items()
        if name == "hoheit_circuit_state"
    }
    assert found.keys() == states
    assert sorted(found.values()) == [0, 0, 0, 1]
    assert value(samples, "hoheit_model_ready", model="scripted") == 0


async def test_draining_and_place_of_an_upstream_are_told(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    placed = UpstreamSettings(
        name="far", base_url=upstream.base_url, site='Saal "B"\n', engine="vllm"
    )
    adapter = start_adapter(admin_key=ADMIN, upstreams=(placed,))
    await all_ready(client, adapter, 1)
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with client.session.post(
        f"{adapter.url}/v1/topology/far/drain", headers=headers
    ) as response:
        assert response.status == 200
    samples = await scrape(client, adapter)
    assert value(samples, "hoheit_upstream_draining", upstream="far") == 1
    info = {"upstream": "far", "site": 'Saal "B"\n', "engine": "vllm"}
    assert value(samples, "hoheit_upstream_info", **info) == 1


async def cut(turn: Turn) -> None:
    turn.cut()

"""GET /metrics: what requests came to and how things are, read as Prometheus reads it."""

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as read_openmetrics,
)
from samples import ADMIN, CHAT, Samples, all_ready, scrape, seen, value
from scripted import (
    KEY,
    Client,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
)

import backend_adapter
from backend_adapter.api.metrics import ERROR_CODES
from backend_adapter.settings import ClientSettings, UpstreamSettings


@pytest.mark.parametrize(("key", "status"), [(None, 401), (KEY, 401), ("wrong", 401), (ADMIN, 200)])
async def test_only_operators_read_the_figures(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    key: str | None,
    status: int,
) -> None:
    adapter = start_adapter(upstream, admin_key=ADMIN)
    reply = await client.get(adapter, "/metrics", key)
    assert reply.status == status
    assert ("hoheit_" in reply.text) == (status == 200)


async def test_without_an_admin_key_nobody_reads_the_figures(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    reply = await client.get(start_adapter(upstream), "/metrics", KEY)
    assert reply.error["code"] == "invalid_admin_key"


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_is_counted_with_its_tokens_and_times(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, stream: bool
) -> None:
    async def say(turn: Turn) -> None:
        await turn.send(chunk({"content": "Guten"}))
        await asyncio.sleep(0.2)  # else the whole answer is one piece, which has no rate
        await turn.send(chunk({"content": " Tag"}), chunk(finish="stop"))
        counts = {"prompt_tokens": 9, "completion_tokens": 4}
        cached = {"prompt_tokens_details": {"cached_tokens": 5}}
        await turn.send({"choices": [], "usage": {**counts, **cached}}, "[DONE]")

    upstream.script = say
    adapter = start_adapter(upstream, admin_key=ADMIN)
    for _ in range(3):
        assert (await client.post(adapter, CHAT, ask(stream=stream))).status == 200
    samples = await seen(client, adapter, lambda s: value(s, "hoheit_requests_total") == 3)
    here = {"model": "scripted", "upstream": "up0"}
    ended = {
        "model": "scripted",
        "operation": "chat",
        "client": "site",
        "priority": "chat",
        "status": "2xx",
        "error": "none",
    }
    assert value(samples, "hoheit_requests_total", **ended) == 3
    assert value(samples, "hoheit_tokens_total", type="input", **here) == 27
    assert value(samples, "hoheit_tokens_total", type="output", **here) == 12
    assert value(samples, "hoheit_cached_input_tokens_total", **here) == 15
    assert value(samples, "hoheit_time_to_first_token_seconds_count", **here) == 3
    assert value(samples, "hoheit_output_tokens_per_second_count", **here) == 3
    assert value(samples, "hoheit_request_duration_seconds_count", model="scripted") == 3
    took = value(samples, "hoheit_request_duration_seconds_sum", model="scripted")
    assert took >= 3 * 0.2
    # Each time three tokens after the first, within the answer. Where the first piece is read late, the next seems
    # to come sooner, so the pace is known to a factor only.
    assert 27 / took <= value(samples, "hoheit_output_tokens_per_second_sum", **here) <= 2 * 9 / 0.2
    assert value(samples, "hoheit_queue_wait_seconds_count", priority="chat") == 3
    assert value(samples, "hoheit_failovers_total") == 0


async def test_an_answer_is_counted_though_its_upstream_lingers_after_the_end(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    async def linger(turn: Turn) -> None:
        await turn.say("Guten", " Tag")
        await turn.heard.wait()  # what ends the response comes only after that

    upstream.script = linger
    adapter = start_adapter(upstream, admin_key=ADMIN)
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert reply.frames[-1] == "[DONE]"
    upstream.turns[0].heard.set()
    samples = await seen(client, adapter, lambda s: value(s, "hoheit_requests_total") == 1)
    assert value(samples, "hoheit_requests_total", error="none", status="2xx") == 1
    assert value(samples, "hoheit_tokens_total", type="output") == 2


async def test_background_tasks_and_further_clients_are_told_apart(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    clients = (ClientSettings(name="batch", api_key="key-of-batch"),)
    own = UpstreamSettings(name="own", base_url=upstream.base_url, trust="site")
    adapter = start_adapter(upstreams=(own,), admin_key=ADMIN, clients=clients)
    for key, more in (
        (KEY, {"X-Hoheit-Task": "title_generation"}),
        ("key-of-batch", {}),
    ):
        headers = {"Authorization": f"Bearer {key}", **more}
        async with client.session.post(
            adapter.url + CHAT, data=json.dumps(ask()), headers=headers
        ) as response:
            assert response.status == 200
    samples = await scrape(client, adapter)
    requests = "hoheit_requests_total"
    assert value(samples, requests, client="site", priority="background") == 1
    assert value(samples, requests, client="batch", priority="chat") == 1
    assert value(samples, requests) == 2


async def test_what_a_client_makes_up_never_becomes_a_label(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = start_adapter(upstream, admin_key=ADMIN, connect_timeout_s=0.3)
    await client.post(adapter, CHAT, ask())
    for number in range(3):
        body = {**ask("a secret question"), "model": f"made-up-{number}", "user": "anna"}
        reply = await client.post(adapter, CHAT, body)
        assert reply.error["code"] == "model_not_found"
        await client.get(adapter, f"/no-such-route-{number}")
    reply = await client.get(adapter, "/metrics", ADMIN)
    for told in ("made-up", "anna", "secret", "no-such-route", upstream.base_url, "upstream-key"):
        assert told not in reply.text
    samples = await scrape(client, adapter)
    unknown = {"model": "unknown", "status": "4xx", "error": "model_not_found"}
    assert value(samples, "hoheit_requests_total", **unknown) == 3
    assert value(samples, "hoheit_http_requests_total", route="unknown", status="404") == 3


async def test_models_beyond_a_bound_share_one_label(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend_adapter.api.metrics._MOST_MODELS", 2)
    upstream.models = [f"m{number}" for number in range(5)]
    adapter = start_adapter(upstream, admin_key=ADMIN)
    for model in upstream.models:
        assert (await client.post(adapter, CHAT, {**ask(), "model": model})).status == 200
    samples = await scrape(client, adapter)
    counted = {dict(labels)["model"] for name, labels in samples if name == "hoheit_requests_total"}
    assert counted == {"m0", "m1", "unknown"}
    assert value(samples, "hoheit_requests_total", model="unknown") == 3


async def test_a_failover_before_the_first_token_is_counted_for_the_one_that_failed(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
) -> None:
    upstream.refuse(500, "{}")
    adapter = start_adapter(upstream, second_upstream, admin_key=ADMIN, selection="round_robin")
    await all_ready(client, adapter, 2)
    while not upstream.turns:
        assert (await client.post(adapter, CHAT, ask())).status == 200
    samples = await scrape(client, adapter)
    failed = {"model": "scripted", "upstream": "up0"}
    assert value(samples, "hoheit_failovers_total", phase="before_first_token", **failed) == 1
    assert value(samples, "hoheit_failovers_total") == 1
    assert value(samples, "hoheit_replica_failures_total", **failed) == 1
    assert value(samples, "hoheit_tokens_total", upstream="up1") > 0
    assert value(samples, "hoheit_tokens_total", upstream="up0") == 0
    told = (await client.get(adapter, "/v1/topology", ADMIN)).json["upstreams"]
    assert [each["replicas"][0]["failovers"] for each in told] == [
        {"before_first_token": 1, "mid_answer": 0},
        {"before_first_token": 0, "mid_answer": 0},
    ]


async def test_a_failover_in_the_middle_of_an_answer_is_counted_as_such(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
) -> None:
    pieces = ["Guten", " Tag", ",", " Anna", "."]
    broken = 0

    async def break_off_once(turn: Turn) -> None:
        nonlocal broken
        broken += 1
        if broken > 1:
            await turn.say(*pieces)
        else:
            await turn.send(*(chunk({"content": piece}) for piece in pieces[:2]))
            turn.cut()

    upstream.script = second_upstream.script = break_off_once
    adapter = start_adapter(admin_key=ADMIN, upstreams=replaying(upstream, second_upstream))
    await all_ready(client, adapter, 2)
    reply = await client.post(adapter, CHAT, ask(stream=True, temperature=0))
    assert "".join(delta.get("content", "") for delta in reply.deltas) == "".join(pieces)
    samples = await seen(client, adapter, lambda s: value(s, "hoheit_requests_total") == 1)
    assert value(samples, "hoheit_failovers_total", phase="mid_answer") == 1
    assert value(samples, "hoheit_failovers_total") == 1
    assert value(samples, "hoheit_requests_total", error="none") == 1
    assert value(samples, "hoheit_circuit_opened_total") == 1


async def test_a_client_that_leaves_is_no_error_of_anybody_else(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    async def hang(turn: Turn) -> None:
        await turn.send(chunk({"content": "Moment"}))
        await asyncio.Event().wait()

    upstream.script = hang
    adapter = start_adapter(upstream, admin_key=ADMIN)
    async with client.stream(adapter, CHAT, ask(stream=True)) as response:
        await response.content.readany()
    samples = await seen(client, adapter, lambda s: value(s, "hoheit_requests_total") == 1)
    left = {"error": "client_left", "status": "4xx"}
    assert value(samples, "hoheit_requests_total", **left) == 1
    assert value(samples, "hoheit_replica_failures_total") == 0


async def test_refused_requests_are_counted_by_route_and_status(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = start_adapter(upstream, admin_key=ADMIN, connect_timeout_s=0.3)
    await client.get(adapter, "/v1/models", key="wrong")
    await client.get(adapter, "/v1/models/made/up")
    await client.post(adapter, CHAT, b"no JSON")
    await client.get(adapter, "/health", key=None)

    def counted(samples: Samples, route: str, status: int) -> float:
        labels = {"route": route, "status": str(status)}
        return value(samples, "hoheit_http_requests_total", **labels)

    samples = await seen(client, adapter, lambda s: counted(s, "/health", 200) == 1)
    assert counted(samples, "/v1/models", 401) == 1
    assert counted(samples, CHAT, 400) == 1
    assert counted(samples, "/v1/models/{model:path}", 404) == 1
    assert value(samples, "hoheit_requests_total") == 0


async def test_each_adapter_counts_by_itself(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    one, other = (start_adapter(upstream, admin_key=ADMIN) for _ in range(2))
    await client.post(one, CHAT, ask())
    assert value(await scrape(client, one), "hoheit_requests_total") == 1
    assert value(await scrape(client, other), "hoheit_requests_total") == 0


async def test_a_scraper_that_prefers_openmetrics_gets_it(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    adapter = start_adapter(upstream, admin_key=ADMIN)
    await client.post(adapter, CHAT, ask())
    headers = {
        "Authorization": f"Bearer {ADMIN}",
        "Accept": "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5",
    }
    async with client.session.get(f"{adapter.url}/metrics", headers=headers) as response:
        assert response.headers["content-type"].startswith("application/openmetrics-text")
        text = await response.text()
    families = {family.name: family for family in read_openmetrics(text)}
    assert families["hoheit_requests"].type == "counter"
    assert "_created" not in text


def test_every_error_code_there_is_has_a_label_or_ends_no_request_to_a_model() -> None:
    before_any_model = {
        "invalid_admin_key",
        "invalid_api_key",
        "invalid_label",
        "invalid_labels_key",
        "invalid_user_token",
        "missing_api_key",
        "receipt_body_changed",
        "receipt_chain_broken",
        "request_too_large",
        "unknown_receipt",
        "unknown_route",
    }
    package = Path(backend_adapter.__file__).parent
    # The swarm's gateway is an upstream: its codes reach the adapter as any other's do.
    codes = {
        keyword.value.value
        for path in package.rglob("*.py")
        if package / "petals" not in path.parents
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    assert len(codes) > 15
    assert codes - before_any_model - {None} <= ERROR_CODES


def replaying(*upstreams: ScriptedUpstream) -> tuple[UpstreamSettings, ...]:
    """Upstreams that go on with an answer only by giving it anew, which needs temperature 0."""
    more: dict[str, Any] = {"continuation": "replay"}
    return tuple(
        UpstreamSettings(name=f"up{number}", base_url=each.base_url, **more)
        for number, each in enumerate(upstreams)
    )


async def cut(turn: Turn) -> None:
    turn.cut()

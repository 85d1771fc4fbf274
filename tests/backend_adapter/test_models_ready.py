import asyncio

import pytest
from scripted import Client, RunningAdapter, ScriptedUpstream, StartAdapter, ask

CHAT = "/v1/chat/completions"
NOWHERE = {"name": "away", "base_url": "http://127.0.0.1:9/v1"}


async def listed(client: Client, adapter: RunningAdapter) -> list[str]:
    return [each["id"] for each in (await client.get(adapter, "/v1/models")).json["data"]]


async def status(client: Client, adapter: RunningAdapter, wanted: int) -> dict:
    """What /ready says, once all upstreams have been asked and it has this status."""
    async with asyncio.timeout(20):
        while True:
            reply = await client.get(adapter, "/ready", key=None)
            if reply.status == wanted and "not been asked" not in reply.text:
                return reply.json
            await asyncio.sleep(0.02)


async def test_models_are_those_of_the_upstreams_each_once(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
):
    upstream.models = ["org/a", "both", "both"]
    second_upstream.models = ["both", "b"]
    adapter = start_adapter(upstream, second_upstream)
    assert (await client.get(adapter, "/v1/models/b")).status == 200
    assert await listed(client, adapter) == ["org/a", "both", "b"]
    model = (await client.get(adapter, "/v1/models/org/a")).json
    assert model["id"] == "org/a"
    assert set(model) == {"id", "object", "created", "owned_by"}


async def test_odd_model_names_are_not_listed(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.models = ["<script>x</script>", "a\nb", "", "x" * 300, "good"]
    adapter = start_adapter(upstream)
    await status(client, adapter, 200)
    assert await listed(client, adapter) == ["good"]


async def test_a_model_that_is_new_at_its_upstream_is_found(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream)
    await status(client, adapter, 200)
    upstream.models = ["scripted", "new"]
    async with asyncio.timeout(20):
        while (answer := await client.post(adapter, CHAT, ask() | {"model": "new"})).status == 404:
            await asyncio.sleep(0.02)
    assert answer.status == 200


async def test_an_unknown_model_is_an_error_with_a_remedy(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream)
    for reply in (
        await client.post(adapter, CHAT, ask() | {"model": "other"}),
        await client.get(adapter, "/v1/models/other"),
    ):
        assert reply.status == 404
        assert reply.error["code"] == "model_not_found"
        assert reply.error["param"] == "model"
        assert "'other'" in reply.error["message"]
        assert "/v1/models" in reply.error["message"]


async def test_without_upstreams_it_lives_but_is_not_ready(
    start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter()
    assert (await client.get(adapter, "/health", key=None)).json == {"status": "ok"}
    body = await status(client, adapter, 503)
    assert "hoheit.toml" in body["reason"]
    reply = await client.post(adapter, CHAT, ask())
    assert reply.status == 503
    assert "hoheit.toml" in reply.error["message"]


async def test_ready_needs_one_model_that_can_answer_and_says_what_the_others_lack(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    away = NOWHERE | {"models": ["far"]}
    here = {"name": "here", "base_url": upstream.base_url}
    body = await status(client, start_adapter(upstreams=[away, here]), 200)
    assert body["upstreams"]["here"] == body["models"]["scripted"] == "ready"
    assert "cannot be reached" in body["upstreams"]["away"]
    assert "away" in body["models"]["far"]
    assert "127.0.0.1" not in str(body)
    alone = await status(client, start_adapter(upstreams=[away]), 503)
    assert alone["status"] == "not ready"


async def test_a_model_stays_listed_while_its_upstream_is_away(
    start_adapter: StartAdapter, client: Client
):
    gone = ScriptedUpstream()
    runner = await gone.serve()
    adapter = start_adapter(gone, patience_s=0)
    await status(client, adapter, 200)
    await runner.cleanup()
    body = await status(client, adapter, 503)
    assert "cannot be reached" in body["upstreams"]["up0"]
    assert await listed(client, adapter) == ["scripted"]
    reply = await client.post(adapter, CHAT, ask())
    assert (reply.status, reply.error["code"]) == (502, "upstream_unreachable")


async def test_an_upstream_that_comes_later_makes_it_ready(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.models = []
    adapter = start_adapter(upstream)
    body = await status(client, adapter, 503)
    assert "up0" in body["upstreams"]
    upstream.models = ["scripted"]
    await status(client, adapter, 200)


async def test_configured_names_select_and_need_no_list(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.models = ["one", "two"]
    selected = {"name": "up", "base_url": upstream.base_url, "models": ["two"]}
    without_list = {
        "name": "bare",
        "base_url": upstream.base_url.removesuffix("/v1") + "/v1/bare",
        "models": ["three"],
    }
    adapter = start_adapter(upstreams=[selected, without_list])
    body = await status(client, adapter, 200)
    assert body["upstreams"] == {"up": "ready", "bare": "ready"}
    assert await listed(client, adapter) == ["two", "three"]


async def test_an_address_that_is_no_openai_api_is_named(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    wrong = {"name": "wrong", "base_url": upstream.base_url.removesuffix("/v1")}
    body = await status(client, start_adapter(upstreams=[wrong]), 503)
    assert "base_url" in body["upstreams"]["wrong"]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/scripted"])
async def test_models_are_for_who_has_the_key(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, path: str
):
    adapter = start_adapter(upstream)
    for key in (None, "wrong"):
        reply = await client.get(adapter, path, key=key)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.error["type"] == "invalid_request_error"

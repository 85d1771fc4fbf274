"""/v1/embeddings through the running adapter."""

import asyncio
import json
from typing import Any

import openai
import pytest
from scripted import (
    DEADLINE_S,
    Client,
    RunningAdapter,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    eventually,
)

PATH = "/v1/embeddings"
CANNOT = b'{"error": {"message": "This model cannot embed."}}'


async def embed(turn: Turn) -> None:
    """A vector to each input, with fields that nobody knows."""
    given = turn.body["input"]
    data = [
        {"index": index, "embedding": [0.5, float(index)], "object": "embedding", "event": "x"}
        for index, _ in enumerate(given if isinstance(given, list) else [given])
    ]
    body = {"data": data, "model": "/srv/secret.gguf", "usage": {"prompt_tokens": 3}, "event": "x"}
    await turn.begin("application/json")
    await turn.send(json.dumps(body).encode())


def say(text: bytes) -> Any:
    async def script(turn: Turn) -> None:
        await turn.begin("application/json")
        await turn.send(text)

    return script


@pytest.fixture
def adapter(upstream: ScriptedUpstream, start_adapter: StartAdapter) -> RunningAdapter:
    upstream.script = embed
    return start_adapter(upstream)


async def test_vectors_are_given_in_order_and_without_foreign_fields(
    upstream: ScriptedUpstream, adapter: RunningAdapter, client: Client
):
    body = {"model": "scripted", "input": ["a", "b"], "dimensions": 2, "truncate": True}
    reply = await client.post(adapter, PATH, body)
    assert reply.status == 200
    assert reply.json == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [0.5, 1.0]},
        ],
        "model": "scripted",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    [turn] = upstream.turns
    assert turn.request.path == PATH
    assert turn.body == {
        "model": "scripted",
        "input": ["a", "b"],
        "dimensions": 2,
        "encoding_format": "float",
    }


async def test_the_sdk_gets_the_same_numbers_encoded_or_not(adapter: RunningAdapter):
    async with openai.AsyncOpenAI(base_url=f"{adapter.url}/v1", api_key="the-key") as sdk:
        encoded = await sdk.embeddings.create(model="scripted", input=["a", "b"])
        plain = await sdk.embeddings.create(
            model="scripted", input=["a", "b"], encoding_format="float"
        )
    vectors = [each.embedding for each in plain.data]
    assert vectors == [each.embedding for each in encoded.data] == [[0.5, 0.0], [0.5, 1.0]]


@pytest.mark.parametrize("answer", [b"<html>", b'{"data": []}', b'{"data": [{"index": 0}]}'])
async def test_an_unreadable_answer_is_the_upstreams_fault(
    upstream: ScriptedUpstream, adapter: RunningAdapter, client: Client, answer: bytes
):
    upstream.script = say(answer)
    reply = await client.post(adapter, PATH, {"model": "scripted", "input": "a"})
    assert (reply.status, reply.error["code"]) == (502, "upstream_unreadable")
    assert "html" not in reply.text


async def test_another_replica_embeds_where_one_cannot(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
):
    upstream.script, second_upstream.script = say(CANNOT), embed
    adapter = start_adapter(upstream, second_upstream)
    async with asyncio.timeout(DEADLINE_S):
        while not upstream.turns:  # which replica is asked first depends on the text
            text = f"text {len(second_upstream.turns)}"
            reply = await client.post(adapter, PATH, {"model": "scripted", "input": text})
            assert reply.status == 200
    assert upstream.turns[-1].body == second_upstream.turns[-1].body


async def test_a_replica_that_cannot_embed_still_gets_chats(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = say(CANNOT)
    adapter = start_adapter(upstream)
    async with asyncio.timeout(DEADLINE_S):
        while (await client.get(adapter, "/ready")).status != 200:
            await asyncio.sleep(0.01)
    for _ in range(5):
        reply = await client.post(adapter, PATH, {"model": "scripted", "input": "a"})
        assert reply.status == 502
    ready = await client.get(adapter, "/ready")
    assert ready.json["models"] == {"scripted": "ready"}


async def test_a_model_that_generates_nothing_is_asked_to_embed_all_the_same(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.probe_script, upstream.script = say(CANNOT), embed
    adapter = start_adapter(upstream)
    for _ in range(2):
        reply = await client.post(adapter, PATH, {"model": "scripted", "input": "a"})
        assert reply.status == 200


async def test_a_client_that_leaves_ends_the_work(
    upstream: ScriptedUpstream, adapter: RunningAdapter, client: Client
):
    async def hang(turn: Turn) -> None:
        await asyncio.Event().wait()

    upstream.script = hang
    asking = asyncio.create_task(client.post(adapter, PATH, {"model": "scripted", "input": "a"}))
    await eventually(lambda: len(upstream.turns) == 1)
    assert upstream.aborted == 0
    asking.cancel()
    await eventually(lambda: upstream.aborted == 1)


async def test_wrong_requests_never_reach_an_upstream(
    upstream: ScriptedUpstream, adapter: RunningAdapter, client: Client
):
    reply = await client.post(adapter, PATH, {"model": "scripted", "input": []})
    assert (reply.status, reply.error["param"]) == (400, "input")
    reply = await client.post(adapter, PATH, {"model": "unknown", "input": "a"})
    assert reply.status == 404
    assert not upstream.turns

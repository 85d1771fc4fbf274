"""What a raw TCP recorder in the upstream's place sees of requests, and what clients get back."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from recorder import CHAT, KEY, Recorder, question, register, start
from scripted import Client, StartAdapter

NAME, IBAN = "Jörg Weißmüller", "DE89370400440532013000"


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    async with Recorder().listening() as recorder:
        yield recorder


@pytest.fixture
def protecting(tmp_path: Path) -> dict[str, Any]:
    """Settings of an adapter that knows a person and an account."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("rules: [{then: pseudonymise}]\nsite_tools: [look_up]\n", encoding="utf-8")
    people, accounts = tmp_path / "people.txt", tmp_path / "accounts.csv"
    people.write_text(f"{NAME}\nAnna Lang\n", encoding="utf-8")
    accounts.write_text(f"owner;iban\nsomebody;{IBAN}\n", encoding="utf-8")
    return {
        "egress": {
            "key": KEY,
            "policy": policy,
            "dictionaries": [
                {"path": people, "kind": "person"},
                {"path": accounts, "column": "iban", "kind": "iban"},
            ],
        }
    }


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
    # A name comes back as the site's list has it, an account in groups where it was in groups.
    assert answer.json["choices"][0]["message"]["content"] == (
        f"Was hat {NAME} (DE89 3704 0044 0532 0130 00) mit {NAME}s Konto {IBAN} vor?"
    )
    assert not recorder.heard_of(NAME)
    assert not recorder.heard_of(IBAN)
    assert b"Mann-" in recorder.got


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
            assert b"Mann-" in each.got
            assert not each.heard_of(NAME)


async def test_the_arguments_of_a_call_are_restored_for_the_tool_and_go_out_again_protected(
    recorder: Recorder,
    protecting: dict[str, Any],
    start_adapter: StartAdapter,
    client: Client,
    tmp_path: Path,
) -> None:
    recorder.calls_tools = True
    adapter = await start(
        client,
        start_adapter,
        recorder.upstream(),
        database_url=f"sqlite:///{tmp_path / 'adapter.db'}",
        labels_key="the-labels-key",
        **protecting,
    )
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    body = question(NAME, tools=tools)
    message = (await client.post(adapter, CHAT, body)).json["choices"][0]["message"]
    [call] = message["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"who": NAME}

    result = {"role": "tool", "tool_call_id": call["id"], "content": json.dumps({"name": NAME})}
    await register(client, adapter, "chat", result["content"])
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
        assert b"Mann-" in outside.got
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


@pytest.mark.parametrize("tokens", [[41, 76418], [[41, 76418], [1]]])
@pytest.mark.parametrize(
    ("path", "given"), [("/v1/completions", "prompt"), ("/v1/embeddings", "input")]
)
async def test_a_text_given_by_the_numbers_of_its_tokens_does_not_leave(
    path: str,
    given: str,
    tokens: Any,
    recorder: Recorder,
    protecting: dict[str, Any],
    start_adapter: StartAdapter,
    client: Client,
) -> None:
    adapter = await start(client, start_adapter, recorder.upstream(), **protecting)
    answer = await client.post(adapter, path, {"model": "m", given: tokens})
    assert (answer.status, answer.json["error"]["code"]) == (403, "egress_refused")
    assert "numbers of tokens" in answer.json["error"]["message"]
    assert b"76418" not in recorder.got

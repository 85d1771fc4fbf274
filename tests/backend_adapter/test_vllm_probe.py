"""How a vLLM server was started is found out with single tokens, and used for tool calls."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from replicas import CHAT, Pair, ready
from samples import ADMIN
from scripted import (
    DEADLINE_S,
    Client,
    RunningAdapter,
    Script,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    eventually,
)
from vllm_servers import cache, vllm

UNKNOWN = {
    "reasoning_field": None,
    "tool_parser": None,
    "structured_outputs": None,
    "prefix_caching": None,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {"word": {"type": "string"}},
            "required": ["word"],
        },
    },
}


def started(
    refuses: Callable[[dict[str, Any]], bool] = lambda body: False,
    *,
    status: int = 400,
    message: dict[str, Any] | None = None,
) -> Script:
    """Answers as vLLM does, whole or in a stream; `status` where it refuses."""

    async def script(turn: Turn) -> None:
        if refuses(turn.body):
            turn._response = web.json_response({"error": {"message": "no"}}, status=status)
        elif turn.body.get("stream"):
            await turn.say("ok")
        else:
            said = {"role": "assistant", "content": "ok"}
            said |= {"reasoning": None} if message is None else message
            turn._response = web.json_response({"choices": [{"index": 0, "message": said}]})

    return script


def with_tools(body: dict[str, Any]) -> bool:
    return "tools" in body


def whole(body: dict[str, Any]) -> bool:
    return not body.get("stream")


async def learned(client: Client, adapter: RunningAdapter, **wanted: Any) -> None:
    """Wait until this is known of the first replica."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            picture = (await client.get(adapter, "/v1/topology", ADMIN)).json
            replicas = picture["upstreams"][0]["replicas"]
            if replicas and wanted.items() <= replicas[0]["capabilities"].items():
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "asked", "found"),
    [
        (started(), 3, {"tool_parser": True}),
        (started(with_tools), 3, {"tool_parser": False}),
        (started(with_tools, status=500), 3, {"tool_parser": None}),
        (started(lambda b: "response_format" in b), 3, {"structured_outputs": False}),
        (started(message={"reasoning_content": None}), 3, {"reasoning_field": "reasoning_content"}),
        (started(message={}), 3, {"reasoning_field": ""}),
        (started(whole), 1, {**UNKNOWN, "prefix_caching": True}),
        (started(whole, status=500), 1, {**UNKNOWN, "prefix_caching": True}),
    ],
    ids=["all", "tools", "tools-500", "schema", "older", "none", "no-chat", "broken"],
)
async def test_each_answer_tells_one_thing(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    script: Script,
    asked: int,
    found: dict[str, Any],
) -> None:
    upstream.probe_script, upstream.figures = script, cache(0, 100)
    adapter = vllm(start_adapter, upstream)
    await ready(client, adapter, "up0")
    usual = {
        "reasoning_field": "reasoning",
        "tool_parser": True,
        "structured_outputs": True,
        "prefix_caching": True,
    }
    await learned(client, adapter, **{**usual, **found})
    # Every question costs one token, and none is asked twice.
    assert {turn.body["max_tokens"] for turn in upstream.probes} == {1}
    assert sum(whole(turn.body) for turn in upstream.probes) == asked


async def test_a_server_that_hangs_at_a_question_is_used_all_the_same(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    async def hang_whole(turn: Turn) -> None:
        if whole(turn.body):
            await asyncio.Event().wait()
        await turn.say("ok")

    upstream.probe_script = hang_whole
    adapter = vllm(start_adapter, upstream)
    await ready(client, adapter, "up0")
    await eventually(lambda: any(whole(turn.body) for turn in upstream.probes))
    await learned(client, adapter, **UNKNOWN)
    assert (await client.post(adapter, CHAT, ask())).status == 200


async def test_other_engines_are_asked_nothing(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.probe_script = started()
    adapter = start_adapter(upstream, admin_key=ADMIN)
    await ready(client, adapter, "up0")
    await asyncio.sleep(0.3)
    assert not any(whole(turn.body) for turn in upstream.probes)


async def test_without_a_parser_the_model_chooses_and_its_call_is_read_from_the_text(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.probe_script = started(with_tools)
    call = json.dumps({"name": "look_up", "arguments": {"word": "Ort"}})
    upstream.script = lambda turn: turn.say(f"<tool_call>\n{call}\n</tool_call>")
    adapter = vllm(start_adapter, upstream)
    await learned(client, adapter, tool_parser=False, structured_outputs=True)
    reply = await client.post(adapter, CHAT, ask(tools=[TOOL]))
    [choice] = reply.json["choices"]
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "look_up"
    assert choice["finish_reason"] == "tool_calls"
    # vLLM refuses any other choice.
    assert upstream.turns[0].body["tool_choice"] == "none"
    assert upstream.turns[0].body["tools"] == [TOOL]


async def test_without_a_parser_a_call_that_must_be_made_is_held_to_a_schema(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.probe_script = started(with_tools)
    call = json.dumps({"name": "look_up", "arguments": {"word": "Ort"}})
    upstream.script = lambda turn: turn.say(call)
    adapter = vllm(start_adapter, upstream)
    await learned(client, adapter, tool_parser=False, structured_outputs=True)
    reply = await client.post(adapter, CHAT, ask(tools=[TOOL], tool_choice="required"))
    [choice] = reply.json["choices"]
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {
        "word": "Ort"
    }
    body = upstream.turns[0].body
    assert "tools" not in body
    assert body["response_format"]["type"] == "json_schema"


async def test_one_replica_without_a_parser_is_enough(
    pair: Pair, start_adapter: StartAdapter, client: Client
) -> None:
    pair[0].probe_script, pair[1].probe_script = started(with_tools), started()
    adapter = vllm(start_adapter, *pair, selection="round_robin")
    await learned(client, adapter, tool_parser=False)
    await ready(client, adapter, "up0", "up1")
    for _ in range(2):
        assert (await client.post(adapter, CHAT, ask(tools=[TOOL]))).status == 200
    for each in pair:
        assert [turn.body["tool_choice"] for turn in each.turns] == ["none"]


async def test_with_a_parser_tools_are_the_engine_s_own(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.probe_script = started()
    adapter = vllm(start_adapter, upstream)
    await learned(client, adapter, tool_parser=True)
    assert (await client.post(adapter, CHAT, ask(tools=[TOOL]))).status == 200
    assert "tool_choice" not in upstream.turns[0].body

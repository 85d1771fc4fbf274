import json
from typing import Any

import pytest
from scripted import KEY, Client, ScriptedUpstream, StartAdapter, Turn, ask, chunk, usage

CHAT = "/v1/chat/completions"
HOSTILE = '<img src=x onerror="alert(1)">'


async def test_a_chat_is_streamed_in_chunks_of_our_own(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = lambda turn: turn.say("Guten", " Tag")
    adapter = start_adapter(upstream)
    reply = await client.post(adapter, CHAT, ask(stream=True))
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-accel-buffering"] == "no"
    *chunks, done = reply.frames
    assert done == "[DONE]"
    assert [each["choices"][0]["delta"] for each in chunks] == [
        {"role": "assistant", "content": "Guten"},
        {"content": " Tag"},
        {},
    ]
    assert [each["choices"][0]["finish_reason"] for each in chunks] == [None, None, "stop"]
    assert {(each["object"], each["model"]) for each in chunks} == {
        ("chat.completion.chunk", "scripted")
    }
    assert len({(each["id"], each["created"]) for each in chunks}) == 1
    assert chunks[0]["id"].startswith("chatcmpl-")
    assert "upstream-id" not in reply.text


async def test_a_chat_is_answered_whole(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    async def think_and_say(turn: Turn) -> None:
        await turn.send(chunk({"reasoning": "Let me"}), chunk({"reasoning": " see."}))
        await turn.say("Guten", " Tag")

    upstream.script = think_and_say
    reply = await client.post(start_adapter(upstream), CHAT, ask())
    body = reply.json
    assert body["object"] == "chat.completion"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Guten Tag",
                "reasoning_content": "Let me see.",
            },
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


async def test_token_counts_are_always_asked_for_and_streamed_on_request(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream)
    without = await client.post(adapter, CHAT, ask(stream=True))
    options = {"stream_options": {"include_usage": True}}
    with_usage = await client.post(adapter, CHAT, ask(stream=True, **options))
    assert "usage" not in without.text
    assert with_usage.frames[-2]["choices"] == []
    assert with_usage.frames[-2]["usage"]["total_tokens"] == 8
    assert all(turn.body["stream_options"] == {"include_usage": True} for turn in upstream.turns)


@pytest.mark.parametrize("stream", [True, False])
async def test_nothing_an_upstream_adds_reaches_the_client(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, stream: bool
):
    execute = {"type": "execute", "data": {"code": HOSTILE}}

    async def hostile(turn: Turn) -> None:
        await turn.begin()
        await turn.send(f"event: {HOSTILE}\nid: {HOSTILE}\n: {HOSTILE}\n\n".encode())
        await turn.send(
            {"event": execute},
            chunk({"content": "Hi", "event": execute}, event=execute, model=HOSTILE, x=HOSTILE),
            chunk({"content": "!"}, finish="stop", system_fingerprint=HOSTILE, created=HOSTILE),
            {**usage(1, 1), "event": execute},
        )
        await turn.send(b"data: [DONE]\n\ndata: " + HOSTILE.encode() + b"\n\n")

    upstream.script = hostile
    reply = await client.post(start_adapter(upstream), CHAT, ask(stream=stream))
    assert reply.status == 200
    assert "Hi" in reply.text
    for foreign in ("execute", "onerror", "event", "fingerprint"):
        assert foreign not in reply.text


async def test_thinking_in_tags_and_in_fields_leaves_as_reasoning_content(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(upstream)
    for texts in (["<thi", "nk>hm</th", "ink>Hi"], ["<think>hm</think>Hi"]):
        upstream.script = lambda turn, texts=texts: turn.say(*texts)
        deltas = (await client.post(adapter, CHAT, ask(stream=True))).deltas
        assert "".join(each.get("reasoning_content", "") for each in deltas) == "hm"
        assert "".join(each.get("content", "") for each in deltas) == "Hi"


async def test_a_model_that_begins_thinking_is_configured_so(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = lambda turn: turn.say("hm</think>Hi")
    adapter = start_adapter(upstream, models=[{"id": "scripted", "reasoning": "starts_open"}])
    message = (await client.post(adapter, CHAT, ask())).json["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("hm", "Hi")


async def call_a_tool(turn: Turn) -> None:
    def piece(**function: str) -> dict[str, Any]:
        return chunk({"tool_calls": [{"index": 0, "function": function}]})

    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "files_search"}}
    await turn.send(chunk({"content": None, "tool_calls": [first]}))
    await turn.send(piece(arguments='{"query":'), piece(arguments=' "ä"}'))
    await turn.send(chunk(finish="tool_calls"), usage(1, 1), "[DONE]")


TOOLS = [{"type": "function", "function": {"name": "files_search", "parameters": {}}}]


async def test_a_tool_call_is_streamed(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = call_a_tool
    reply = await client.post(start_adapter(upstream), CHAT, ask(stream=True, tools=TOOLS))
    calls = [each["tool_calls"][0] for each in reply.deltas if "tool_calls" in each]
    assert calls[0] == {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "files_search", "arguments": ""},
    }
    assert calls[1] == {"index": 0, "function": {"arguments": '{"query":'}}
    assert "".join(each["function"]["arguments"] for each in calls) == '{"query": "ä"}'
    assert reply.frames[-2]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_tool_call_is_answered_whole(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = call_a_tool
    choice = (await client.post(start_adapter(upstream), CHAT, ask(tools=TOOLS))).json["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "files_search", "arguments": '{"query": "ä"}'},
            }
        ],
    }


@pytest.mark.parametrize("stream", [True, False])
async def test_several_choices_stay_apart(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client, stream: bool
):
    async def two(turn: Turn) -> None:
        await turn.send(chunk({"content": "a"}), chunk({"content": "b"}, index=1))
        await turn.send(chunk({}, "stop"), chunk({}, "length", index=1), "[DONE]")

    upstream.script = two
    reply = await client.post(start_adapter(upstream), CHAT, ask(n=2, stream=stream))
    if stream:
        choices = [frame["choices"][0] for frame in reply.frames[:-1]]
        assert [(each["index"], each["delta"].get("role")) for each in choices] == [
            (0, "assistant"),
            (1, "assistant"),
            (0, None),
            (1, None),
        ]
    else:
        choices = reply.json["choices"]
        assert [(each["message"]["content"], each["finish_reason"]) for each in choices] == [
            ("a", "stop"),
            ("b", "length"),
        ]


async def test_who_asks_stays_on_site_and_is_logged_without_content(
    upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level("DEBUG")
    adapter = start_adapter(upstream)
    headers = {
        "Authorization": f"Bearer {KEY}",
        "X-Hoheit-Task": "title_generation",
        "X-Hoheit-Chat-Id": "chat-1",
        "X-Hoheit-User-Id": "user-1",
    }
    url = adapter.url + CHAT
    # A chat comes before what is asked by the way.
    await client.post(adapter, CHAT, ask("a secret"), x_hoheit_chat_id="chat-1")
    async with client.session.post(url, json=ask("a secret"), headers=headers) as response:
        assert "Hello" in await response.text()
    adapter.stop()
    [_, line] = [each.message for each in caplog.records if each.name == "backend_adapter.requests"]
    logged = json.loads(line)
    for time in ("duration_ms", "queued_ms", "ttft_ms"):
        assert logged.pop(time) >= 0
    assert logged == {
        "method": "POST",
        "path": CHAT,
        "status": 200,
        "task": "title_generation",
        "client": "site",
        "model": "scripted",
        "upstream": "up0",
        "prompt_tokens": 7,
        "completion_tokens": 1,
    }
    everything = " ".join(each.getMessage() for each in caplog.records)
    assert "secret" not in everything
    assert "Hello" not in everything
    sent = upstream.turns[0].request.headers
    assert not [name for name in sent if name.lower().startswith("x-")]
    assert sent["Authorization"] == "Bearer upstream-key"


async def test_vllm_is_told_of_thinking_by_the_name_it_reads(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "reasoning_content": "hm"},
        {"role": "user", "content": "Again"},
    ]
    for engine in ("openai", "vllm", "llama.cpp"):
        named = {"name": engine, "base_url": upstream.base_url, "engine": engine}
        adapter = start_adapter(upstreams=[named])
        body = ask(messages=messages, repetition_penalty=1.1)
        assert (await client.post(adapter, CHAT, body)).status == 200
    plain, vllm, llama = (turn.body for turn in upstream.turns)
    assert plain["messages"] == llama["messages"] == messages
    assert vllm["messages"][1] == {**messages[1], "reasoning": "hm"}
    assert plain["repetition_penalty"] == llama["repeat_penalty"] == 1.1
    assert "repetition_penalty" not in llama

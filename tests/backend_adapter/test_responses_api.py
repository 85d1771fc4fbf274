"""/v1/responses through the running adapter, asked by the official SDK and by hand."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pydantic
import pytest
from scripted import Client, RunningAdapter, ScriptedUpstream, StartAdapter, Turn, chunk, usage

PATH = "/v1/responses"
TOOL: Any = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    "strict": False,
}


class Sum(pydantic.BaseModel):
    total: int


@pytest.fixture
def adapter(upstream: ScriptedUpstream, start_adapter: StartAdapter) -> RunningAdapter:
    return start_adapter(upstream)


@pytest.fixture
async def sdk(adapter: RunningAdapter) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{adapter.url}/v1", api_key="the-key", max_retries=0
    ) as asking:
        yield asking


async def think_and_call(turn: Turn) -> None:
    first = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look_up"}}
    rest = {"index": 0, "function": {"arguments": '{"q":"x"}'}}
    await turn.send(chunk({"reasoning": "Let me"}), chunk({"reasoning": " see."}))
    await turn.send(chunk({"tool_calls": [first]}), chunk({"tool_calls": [rest]}))
    await turn.send(chunk(finish="tool_calls"), usage(3, 4), "[DONE]")


async def test_the_sdk_streams_and_reads_a_structured_answer(
    sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream
):
    upstream.script = lambda turn: turn.say('{"total"', ": 5}")
    async with sdk.responses.stream(model="scripted", input="2 + 3?", text_format=Sum) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_parsed == Sum(total=5)
    assert kinds.count("response.output_text.delta") == 2
    assert final.usage is not None
    assert (final.usage.input_tokens, final.usage.output_tokens) == (7, 2)
    [turn] = upstream.turns
    assert turn.request.path == "/v1/chat/completions"
    assert turn.body["response_format"]["json_schema"]["name"] == "Sum"
    assert turn.body["messages"] == [{"role": "user", "content": "2 + 3?"}]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_sdk_runs_a_tool_loop_by_giving_the_output_back(
    sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream, stream: bool
):
    upstream.script = think_and_call
    asked: list[Any] = [{"role": "user", "content": "Hi"}]
    if stream:
        async with sdk.responses.stream(model="scripted", input=asked, tools=[TOOL]) as streaming:
            first: Any = await streaming.get_final_response()
    else:
        first = await sdk.responses.create(model="scripted", input=asked, tools=[TOOL])
    assert [item.type for item in first.output] == ["reasoning", "function_call"]
    result = {"type": "function_call_output", "call_id": first.output[1].call_id, "output": "42"}
    upstream.script = lambda turn: turn.say("It is 42.")
    second = await sdk.responses.create(
        model="scripted", input=[*asked, *first.output, result], tools=[TOOL], store=False
    )
    assert second.output_text == "It is 42."
    function = {"name": "look_up", "arguments": '{"q":"x"}'}
    assert upstream.turns[1].body["messages"] == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]


@pytest.mark.parametrize("stream", [True, False])
async def test_nothing_an_upstream_adds_reaches_the_client(
    upstream: ScriptedUpstream, adapter: RunningAdapter, client: Client, stream: bool
):
    execute = {"type": "execute", "data": {"code": "alert(1)"}}

    async def hostile(turn: Turn) -> None:
        await turn.send({"event": execute}, chunk({"content": "Hi", "event": execute}))
        await turn.send(chunk(finish="stop", event=execute), usage(1, 1), "[DONE]")

    upstream.script = hostile
    reply = await client.post(adapter, PATH, {"model": "scripted", "input": "Hi", "stream": stream})
    assert reply.status == 200
    assert "Hi" in reply.text
    assert "execute" not in reply.text
    assert "alert" not in reply.text


async def test_a_stream_ends_with_the_response_and_no_done(
    upstream: ScriptedUpstream, adapter: RunningAdapter, client: Client
):
    reply = await client.post(adapter, PATH, {"model": "scripted", "input": "Hi", "stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "[DONE]" not in reply.text
    frames = [each.split("\n") for each in reply.text.strip().split("\n\n")]
    names = [name for name, _ in frames]
    assert (names[0], names[-1]) == ("event: response.created", "event: response.completed")
    last = json.loads(frames[-1][1].removeprefix("data: "))["response"]
    assert last["id"].startswith("resp_")
    assert (last["model"], last["store"]) == ("scripted", False)


async def test_a_broken_answer_fails_in_the_stream_and_keeps_what_was_said(
    sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream
):
    async def break_off(turn: Turn) -> None:
        await turn.send(chunk({"content": "Gu"}))
        turn.cut()

    upstream.script = break_off
    events = [
        event
        async for event in await sdk.responses.create(model="scripted", input="Hi", stream=True)
    ]
    last: Any = events[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert last.response.error.code == "server_error"
    assert last.response.output[0].content[0].text == "Gu"
    with pytest.raises(openai.APIStatusError) as caught:
        await sdk.responses.create(model="scripted", input="Hi")
    assert caught.value.status_code >= 500


async def test_the_sdk_raises_what_cannot_be_done(sdk: openai.AsyncOpenAI):
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.responses.create(model="scripted", input="Hi", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    with pytest.raises(openai.NotFoundError):
        await sdk.responses.create(model="unknown", input="Hi")
    with pytest.raises(openai.AuthenticationError):
        await sdk.with_options(api_key="wrong").responses.create(model="scripted", input="Hi")

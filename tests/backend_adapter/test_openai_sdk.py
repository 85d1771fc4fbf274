"""The official SDK, as it comes."""

from collections.abc import AsyncIterator

import openai
import pytest
from scripted import DEADLINE_S, KEY, ScriptedUpstream, StartAdapter, Turn, chunk, usage


@pytest.fixture
async def sdk(
    upstream: ScriptedUpstream, start_adapter: StartAdapter
) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{start_adapter(upstream).url}/v1"
    async with openai.AsyncOpenAI(
        base_url=url, api_key=KEY, max_retries=0, timeout=DEADLINE_S
    ) as client:
        yield client


MESSAGES = [{"role": "user", "content": "Hi"}]


async def test_it_lists_models(sdk: openai.AsyncOpenAI):
    assert [model.id async for model in sdk.models.list()] == ["scripted"]
    assert (await sdk.models.retrieve("scripted")).owned_by == "hoheit"


async def test_it_streams_a_chat(sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream):
    upstream.script = lambda turn: turn.say("<think>hm</think>", "Guten", " Tag")
    text = thought = ""
    async with sdk.chat.completions.stream(
        model="scripted", messages=MESSAGES, stream_options={"include_usage": True}
    ) as stream:
        async for event in stream:
            if event.type == "chunk" and event.chunk.choices:
                delta = event.chunk.choices[0].delta
                text += delta.content or ""
                thought += getattr(delta, "reasoning_content", None) or ""
        final = await stream.get_final_completion()
    assert (thought, text) == ("hm", "Guten Tag")
    assert final.choices[0].message.content == "Guten Tag"
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None
    assert final.usage.total_tokens == 10


async def test_it_streams_a_tool_call(sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream):
    async def call(turn: Turn) -> None:
        function = {"name": "files_search", "arguments": '{"q":'}
        await turn.send(chunk({"tool_calls": [{"index": 0, "id": "c1", "function": function}]}))
        rest = {"index": 0, "function": {"arguments": '"x"}'}}
        await turn.send(chunk({"tool_calls": [rest]}), chunk(finish="tool_calls"), "[DONE]")

    upstream.script = call
    tool = {"type": "function", "function": {"name": "files_search", "parameters": {}}}
    async with sdk.chat.completions.stream(
        model="scripted", messages=MESSAGES, tools=[tool]
    ) as stream:
        final = await stream.get_final_completion()
    [called] = final.choices[0].message.tool_calls or []
    assert (called.id, called.function.name, called.function.arguments) == (
        "c1",
        "files_search",
        '{"q":"x"}',
    )
    assert final.choices[0].finish_reason == "tool_calls"


async def test_it_asks_without_streaming(sdk: openai.AsyncOpenAI):
    answer = await sdk.chat.completions.create(model="scripted", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 7


async def test_it_continues_a_prompt(sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream):
    async def text(turn: Turn) -> None:
        choice = {"index": 0, "text": "upon a time", "finish_reason": "stop"}
        await turn.send({"choices": [choice]}, usage(1, 3), "[DONE]")

    upstream.script = text
    answer = await sdk.completions.create(model="scripted", prompt="Once")
    assert answer.choices[0].text == "upon a time"


async def test_it_raises_its_own_errors(sdk: openai.AsyncOpenAI, upstream: ScriptedUpstream):
    with pytest.raises(openai.NotFoundError):
        await sdk.chat.completions.create(model="unknown", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError) as refused:
        await sdk.chat.completions.create(model="scripted", messages=MESSAGES, temperature=9)
    assert refused.value.param == "temperature"
    with pytest.raises(openai.AuthenticationError):
        await sdk.with_options(api_key="wrong").models.list()

    async def break_off(turn: Turn) -> None:
        await turn.send(chunk({"content": "Gu"}))

    upstream.script = break_off
    said = ""
    with pytest.raises(openai.APIError):
        async for each in await sdk.chat.completions.create(
            model="scripted", messages=MESSAGES, stream=True
        ):
            said += each.choices[0].delta.content or ""
    assert said == "Gu"

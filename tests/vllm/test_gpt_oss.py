"""GPT-OSS speaks harmony: vLLM reads it, and the adapter tells thinking, text and calls apart."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asking import INSISTING, STREAMED_AND_WHOLE, WEATHER, Said, ask, assert_fits, question
from conftest import StartAdapter, StartServers
from cutting import assert_goes_on_anywhere
from models import made
from saying import told_to_say, without_blanks
from scripted import Client, RunningAdapter
from server import EAGER, FORCED, VllmServer, on_core

MODEL = "gpt-oss"
THOUGHT = "<|channel|>analysis<|message|>The user asks 2 + 2. Hm 🎉, that is four.<|end|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>Grüße 🎉: 2 + 2 is four.<|return|>"
CALL = (
    "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json"
    '<|message|>{"city": "Köln", "days": 2}<|call|>'
)
PREAMBLE = "<|start|>assistant<|channel|>commentary<|message|>I will look it up.<|end|>"
THOUGHT_SAID = "The user asks 2 + 2. Hm 🎉, that is four."
CALL_SAID = [("get_weather", '{"city": "Köln", "days": 2}')]


@pytest.fixture(scope="module")
def server(start_servers: StartServers) -> VllmServer:
    parsers = ("--enable-auto-tool-choice", "--tool-call-parser", "openai")
    parsers += ("--reasoning-parser", "openai_gptoss", "--tool-strict-level", "parameter")
    given = VllmServer(MODEL, made(MODEL), *EAGER, *FORCED, *parsers, variables=on_core("0-1"))
    return start_servers(given)[0]


@pytest.fixture
def adapter(server: VllmServer, start_adapter: StartAdapter) -> RunningAdapter:
    return start_adapter(server.upstream("a"))


@STREAMED_AND_WHOLE
async def test_analysis_is_thinking_and_final_is_text(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("2 + 2?", **told_to_say(server, THOUGHT + FINAL))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert said.answer == (THOUGHT_SAID, "Grüße 🎉: 2 + 2 is four.", [], "stop")
    assert said.done and not said.errors


@STREAMED_AND_WHOLE
async def test_commentary_to_a_function_is_a_call(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("Weather?", tools=[WEATHER], **told_to_say(server, THOUGHT + CALL))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert said.answer == (THOUGHT_SAID, "", CALL_SAID, "tool_calls")


@STREAMED_AND_WHOLE
async def test_commentary_to_nobody_is_text_before_the_call(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    text = THOUGHT + PREAMBLE + CALL
    body = question("Weather?", tools=[WEATHER], **told_to_say(server, text))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert said.answer == (THOUGHT_SAID, "I will look it up.", CALL_SAID, "tool_calls")


@STREAMED_AND_WHOLE
async def test_an_answer_that_is_too_long_shows_no_marks(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    """Cut off by its limit after each of its first tokens: in a mark's header, in thinking, in text."""
    forced = told_to_say(server, THOUGHT + FINAL)

    async def limited(limit: int) -> Said:
        body = question("2 + 2?", **{**forced, "max_tokens": limit})
        return await ask(client, adapter, MODEL, body, stream=stream)

    limits = range(1, 36)
    answers = await asyncio.gather(*map(limited, limits))
    for limit, said in zip(limits, answers, strict=True):
        assert said.finish == "length", limit
        assert THOUGHT_SAID.startswith(said.reasoning.rstrip("�")), limit
        assert "Grüße 🎉: 2 + 2 is four.".startswith(said.content.rstrip("�")), limit


@STREAMED_AND_WHOLE
async def test_a_call_is_answered_and_then_the_question(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("Weather?", tools=[WEATHER])
    first = {**body, **told_to_say(server, THOUGHT + CALL)}
    called = await ask(client, adapter, MODEL, first, stream=stream)
    [key] = called.call_ids
    result = {"role": "tool", "tool_call_id": key, "content": '{"sky": "clear"}'}
    messages = [*body["messages"], called.message(), result]
    second = {**body, "messages": messages, **told_to_say(server, THOUGHT + FINAL)}
    said = await ask(client, adapter, MODEL, second, stream=stream)
    assert said.answer == (THOUGHT_SAID, "Grüße 🎉: 2 + 2 is four.", [], "stop")
    assert said.usage["prompt_tokens"] > called.usage["prompt_tokens"]


@pytest.mark.parametrize("last", [FINAL, CALL, PREAMBLE + CALL], ids=["final", "call", "preamble"])
async def test_an_answer_that_is_cut_anywhere_goes_on(
    server: VllmServer,
    start_adapter: StartAdapter,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    last: str,
):
    """Its rest comes from a plain completion, whose harmony the adapter reads itself."""
    tools: dict[str, Any] = {"tools": [WEATHER]} if last != FINAL else {}
    body = question("2 + 2?", **tools, **told_to_say(server, THOUGHT + last))
    await assert_goes_on_anywhere(
        server, start_adapter, client, caplog, body, tmp_path / "policy.yaml"
    )


@INSISTING
@STREAMED_AND_WHOLE
async def test_a_call_that_must_come_comes_as_the_tool_takes_it(
    server: VllmServer, adapter: RunningAdapter, client: Client, choice: Any, stream: bool
):
    """Random weights never end their thinking, so that is done for them; the arguments are theirs."""
    forced = told_to_say(server, THOUGHT + CALL.partition("{")[0])
    tools = {"tools": [WEATHER], "tool_choice": choice}
    body = question("Weather?", **tools, **forced, **without_blanks(MODEL))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert said.reasoning == THOUGHT_SAID
    assert_fits(said.calls)
    assert said.finish == ("tool_calls" if choice == "required" else "stop")

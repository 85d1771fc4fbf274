"""Qwen3-MoE with vLLM's reader of calls, and without one of thinking: that the adapter finds in the text."""

from pathlib import Path
from typing import Any

import pytest
from asking import INSISTING, STREAMED_AND_WHOLE, WEATHER, ask, assert_fits, question
from conftest import StartAdapter, StartServers
from cutting import assert_goes_on_anywhere
from models import made
from saying import told_to_say, without_blanks
from scripted import Client, RunningAdapter
from server import EAGER, FORCED, VllmServer, on_core

MODEL = "qwen3-moe"
THOUGHT = "<think>\nThe user asks 2 + 2. Hm 🎉, four.\n</think>\n\n"
FINAL = "Grüße 🎉: it is four.<|im_end|>"
CALL = (
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Köln", "days": 2}}\n</tool_call>'
    "<|im_end|>"
)
THOUGHT_SAID = "The user asks 2 + 2. Hm 🎉, four."
CALL_SAID = [("get_weather", '{"city": "Köln", "days": 2}')]


@pytest.fixture(scope="module")
def server(start_servers: StartServers) -> VllmServer:
    parser = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    parser += ("--tool-strict-level", "parameter")
    given = VllmServer(MODEL, made(MODEL), *EAGER, *FORCED, *parser, variables=on_core("0-1"))
    return start_servers(given)[0]


@pytest.fixture
def adapter(server: VllmServer, start_adapter: StartAdapter) -> RunningAdapter:
    return start_adapter(server.upstream("a"))


@STREAMED_AND_WHOLE
async def test_the_adapter_tells_thinking_from_text(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("2 + 2?", **told_to_say(server, THOUGHT + FINAL))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert (said.reasoning.strip(), said.content.strip()) == (THOUGHT_SAID, "Grüße 🎉: it is four.")
    assert said.finish == "stop" and said.done and not said.errors


@pytest.mark.parametrize("thought", ["", THOUGHT], ids=["at once", "after thinking"])
@STREAMED_AND_WHOLE
async def test_a_call(
    server: VllmServer, adapter: RunningAdapter, client: Client, thought: str, stream: bool
):
    body = question("Weather?", tools=[WEATHER], **told_to_say(server, thought + CALL))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert said.reasoning.strip() == (THOUGHT_SAID if thought else "")
    assert (said.content.strip(), said.calls, said.finish) == ("", CALL_SAID, "tool_calls")


@STREAMED_AND_WHOLE
async def test_a_call_is_answered_and_then_the_question(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("Weather?", tools=[WEATHER])
    called = await ask(client, adapter, MODEL, body | told_to_say(server, CALL), stream=stream)
    [key] = called.call_ids
    result = {"role": "tool", "tool_call_id": key, "content": '{"sky": "clear"}'}
    messages = [*body["messages"], called.message(), result]
    second = body | {"messages": messages} | told_to_say(server, THOUGHT + FINAL)
    said = await ask(client, adapter, MODEL, second, stream=stream)
    assert (said.reasoning.strip(), said.content.strip()) == (THOUGHT_SAID, "Grüße 🎉: it is four.")
    assert said.usage["prompt_tokens"] > called.usage["prompt_tokens"]


@INSISTING
@STREAMED_AND_WHOLE
async def test_a_call_that_must_come_comes_as_the_tool_takes_it(
    adapter: RunningAdapter, client: Client, choice: Any, stream: bool
):
    """Nobody puts it into the mouth of the random weights: the engine holds them to the schema."""
    body = question("Weather?", tools=[WEATHER], tool_choice=choice, **without_blanks(MODEL))
    body["parallel_tool_calls"] = False
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert_fits(said.calls)
    assert said.finish == ("tool_calls" if choice == "required" else "stop")


@pytest.mark.parametrize(
    "text",
    [THOUGHT + FINAL, CALL, THOUGHT + CALL],
    ids=["thinking, text", "call", "thinking, call"],
)
async def test_an_answer_that_is_cut_anywhere_goes_on(
    server: VllmServer,
    start_adapter: StartAdapter,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    text: str,
):
    tools: dict[str, Any] = {"tools": [WEATHER]} if text.endswith(CALL) else {}
    body = question("2 + 2?", **tools, **told_to_say(server, text))
    await assert_goes_on_anywhere(
        server, start_adapter, client, caplog, body, tmp_path / "policy.yaml"
    )

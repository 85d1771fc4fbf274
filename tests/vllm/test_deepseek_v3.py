"""DeepSeek-V3, whose thinking and calls vLLM's own parsers tell from its text."""

from pathlib import Path
from typing import Any

import pytest
from asking import STREAMED_AND_WHOLE, WEATHER, ask, question
from conftest import StartAdapter, StartServers
from cutting import assert_goes_on_anywhere
from models import made
from saying import told_to_say
from scripted import Client, RunningAdapter
from server import EAGER, FORCED, VllmServer, on_core

MODEL = "deepseek-v3"
THOUGHT = "<think>\nThe user asks 2 + 2. Hm 🎉, four.\n</think>\n\n"
FINAL = "Grüße 🎉: it is four.<|im_end|>"
CALL = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
    '```json\n{"city": "Köln", "days": 2}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><|im_end|>'
)
THOUGHT_SAID = "The user asks 2 + 2. Hm 🎉, four."
CALL_SAID = [("get_weather", '{"city": "Köln", "days": 2}')]


@pytest.fixture(scope="module")
def server(start_servers: StartServers) -> VllmServer:
    parsers = ("--enable-auto-tool-choice", "--tool-call-parser", "deepseek_v3")
    parsers += ("--reasoning-parser", "deepseek_r1")
    given = VllmServer(MODEL, made(MODEL), *EAGER, *FORCED, *parsers, variables=on_core("0-1"))
    return start_servers(given)[0]


@pytest.fixture
def adapter(server: VllmServer, start_adapter: StartAdapter) -> RunningAdapter:
    return start_adapter(server.upstream("a"))


@pytest.mark.parametrize("tag", ["<think>", ""], ids=["opened", "opened by the prompt"])
@STREAMED_AND_WHOLE
async def test_what_stands_before_the_closing_tag_is_thinking(
    server: VllmServer, adapter: RunningAdapter, client: Client, tag: str, stream: bool
):
    text = tag + THOUGHT.removeprefix("<think>\n") + FINAL
    body = question("2 + 2?", **told_to_say(server, text))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert (said.reasoning.strip(), said.content.strip()) == (THOUGHT_SAID, "Grüße 🎉: it is four.")
    assert said.finish == "stop" and said.done and not said.errors


@STREAMED_AND_WHOLE
async def test_thinking_that_is_too_long_is_not_text(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("2 + 2?", **told_to_say(server, THOUGHT + FINAL)) | {"max_tokens": 6}
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert (said.content, said.finish) == ("", "length")
    assert THOUGHT_SAID.startswith(said.reasoning.strip()) and said.reasoning.strip()


@STREAMED_AND_WHOLE
async def test_a_call_after_thinking(
    server: VllmServer, adapter: RunningAdapter, client: Client, stream: bool
):
    body = question("Weather?", tools=[WEATHER], **told_to_say(server, THOUGHT + CALL))
    said = await ask(client, adapter, MODEL, body, stream=stream)
    assert said.reasoning.strip() == THOUGHT_SAID
    assert (said.content.strip(), said.calls, said.finish) == ("", CALL_SAID, "tool_calls")


@pytest.mark.parametrize("last", [FINAL, CALL], ids=["text", "call"])
async def test_an_answer_that_is_cut_anywhere_goes_on(
    server: VllmServer,
    start_adapter: StartAdapter,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    last: str,
):
    """Its rest comes from a plain completion, whose marks the adapter reads itself."""
    tools: dict[str, Any] = {"tools": [WEATHER]} if last == CALL else {}
    body = question("2 + 2?", **tools, **told_to_say(server, THOUGHT + last))
    await assert_goes_on_anywhere(
        server, start_adapter, client, caplog, body, tmp_path / "policy.yaml"
    )

"""In which ways an answer is gone on with, and that half a character is never taken for a whole one."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from scripted import Client, ScriptedUpstream, StartAdapter, Turn, ask, chunk, usage

from backend_adapter.chat.decode import ChunkDecoder, Tokens
from backend_adapter.chat.events import Event, Finish, Text, ToolCallDelta, Usage
from backend_adapter.chat.ledger import Joiner, Ledger
from backend_adapter.chat.said_again import MismatchError
from backend_adapter.routing.attempt import Attempt
from backend_adapter.routing.continuation import Ask, first, ways_on
from backend_adapter.routing.replica import Replica
from backend_adapter.settings import AdapterSettings, UpstreamSettings
from backend_adapter.upstreams.capabilities import Capabilities
from backend_adapter.upstreams.client import Upstream
from backend_adapter.upstreams.http import Connections

CHAT = "/v1/chat/completions"
TOKENS = Capabilities("tokens")
FORM = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object"}}}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f", "parameters": {}}}
STRICT: dict[str, Any] = {"type": "function", "function": {**TOOL["function"], "strict": True}}
NAMED = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ({}, ["tokens"]),
        ({"temperature": 0}, ["tokens", "replay"]),
        ({"seed": 7}, ["tokens", "replay"]),
        ({"response_format": {"type": "text"}, "temperature": 0}, ["tokens", "replay"]),
        # Half of a form cannot be asked for.
        ({"response_format": FORM}, []),
        ({"response_format": {"type": "json_object"}}, []),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, []),
        ({"response_format": FORM, "seed": 7}, ["replay"]),
        ({"response_format": FORM, "temperature": 0}, ["replay"]),
        # A call that the engine would not hold to its form a second time.
        ({"tools": [TOOL], "temperature": 0}, ["tokens", "replay"]),
        ({"tools": [STRICT], "temperature": 0}, ["replay", "tokens"]),
        ({"tools": [TOOL], "tool_choice": "required", "temperature": 0}, ["replay", "tokens"]),
        ({"tools": [TOOL], "tool_choice": NAMED, "temperature": 0}, ["replay", "tokens"]),
        ({"tools": [TOOL], "tool_choice": "none", "temperature": 0}, ["tokens", "replay"]),
        ({"tools": [TOOL], "tool_choice": "required"}, ["tokens"]),
    ],
)
def test_the_ways_in_which_vllm_goes_on(body: dict[str, Any], ways: list[str]):
    ledger = Ledger()
    ledger.add([Text("{")])
    asked = Ask("chat/completions", "m", {"messages": [], **body})
    plans = ways_on(asked, ledger, Tokens([1], [2], 1), TOKENS, "vllm")
    assert [plan.way for plan in plans] == ways


@pytest.mark.parametrize("engine", ["vllm", "petals"])
@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ({"temperature": 0.7}, ["prefill"]),
        ({"temperature": 0}, ["prefill", "prefill", "replay"]),
        ({"response_format": FORM}, []),
        ({"tools": [TOOL], "tool_choice": "required"}, []),
    ],
)
def test_what_an_engine_without_token_ids_began_is_gone_on_with_from_its_text(
    engine: str, body: dict[str, Any], ways: list[str]
):
    ledger = Ledger()
    ledger.add([Text("The town hall of Hamburg was bui")])
    question = [{"role": "user", "content": "Tell me."}]
    asked = Ask("chat/completions", "m", {"messages": question, **body})
    plans = ways_on(asked, ledger, None, TOKENS, engine)
    assert [plan.way for plan in plans] == ways
    if ways:
        begun = plans[0].body["messages"][-1]
        assert plans[0].body["continue_final_message"] is True
        assert begun["role"] == "assistant"
        assert begun["content"].startswith("The town hall of Hamburg was")


@pytest.mark.parametrize(
    "shown", ["<think>The user asks", "The user asks.</think>Four", "<think>Hm.</think>\n\nIt is"]
)
def test_thinking_that_its_engine_has_not_told_apart_stays_text(shown: str):
    """What the client has is compared as it came; the adapter tells it apart afterwards."""
    ledger = Ledger()
    ledger.add([Text(shown)])
    asked = Ask("chat/completions", "m", {"messages": [], "tools": [TOOL]})
    [plan] = ways_on(asked, ledger, Tokens([1], [2], 1), TOKENS, "vllm")
    assert plan.reader is not None
    reader, joiner = plan.reader(shown), Joiner(ledger, plan.start)
    told = [Text(shown), Text(" and more"), Finish("stop")]
    after = [new for event in told for new in joiner.feed(list(reader.feed(event)))]
    assert after == [Text(" and more"), Finish("stop")]


@pytest.mark.parametrize(("engine", "left"), [("vllm", 3), ("petals", None)])
def test_a_least_length_does_not_keep_a_swarm_from_going_on(engine: str, left: int | None):
    ledger = Ledger()
    ledger.add([Text("{")])
    asked = Ask("chat/completions", "m", {"messages": [], "seed": 7, "min_tokens": 4})
    [by_tokens, replay] = ways_on(asked, ledger, Tokens([1], [2], 1), TOKENS, engine)
    assert by_tokens.body.get("min_tokens") == left
    assert ("min_tokens" in replay.body) == (engine == "vllm")


@pytest.mark.parametrize(
    ("engine", "reads_calls", "tool_choice"),
    [("vllm", True, "none"), ("vllm", False, None), ("llama.cpp", True, None)],
)
def test_vllm_shows_a_model_its_tools_without_choosing_itself(
    engine: str, reads_calls: bool, tool_choice: str | None
):
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL]}
    asked = Ask("chat/completions", "m", body, reads_calls=reads_calls)
    ledger = Ledger()
    ledger.add([Text("So")])
    begun = first(asked, Capabilities("prefill"), engine)
    [*_, on] = ways_on(asked, ledger, None, Capabilities("prefill"), engine)
    for plan in (begun, on):
        assert plan.body["tools"] == [TOOL]
        assert plan.body.get("tool_choice") == tool_choice


# An engine whose tokens are bytes.

ANSWER = "Grüße 🎉 aus 東京."
PROMPT = list(b"Hi\n")


class ByteEngine:
    """Goes on from token ids as vLLM does: it shows no half character, and after one its prompt as well."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.detokenizes = True

    async def detokenize(self, request: web.Request) -> web.Response:
        if not self.detokenizes:
            raise web.HTTPNotFound
        tokens = bytes((await request.json())["tokens"])
        return web.json_response({"prompt": tokens.decode(errors="replace")})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        prompt = bytes(body["prompt"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        whole = bytes(PROMPT) + ANSWER.encode()
        shown = 0 if prompt.decode(errors="replace").endswith("\ufffd") else len(prompt)
        for end in range(len(prompt) + 1, len(whole) + 1):
            text = whole[shown:end].decode(errors="replace")
            if text.endswith("\ufffd"):
                text = ""
            else:
                shown = end
            await self.send(response, {"text": text, "token_ids": [whole[end - 1]]})
        await self.send(response, {"text": "", "finish_reason": "stop"})
        said = len(whole) - len(prompt)
        counts = {"prompt_tokens": len(prompt), "completion_tokens": said}
        await response.write(f"data: {json.dumps({'choices': [], 'usage': counts})}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        return response

    async def send(self, response: web.StreamResponse, choice: dict[str, Any]) -> None:
        data = json.dumps({"choices": [{"index": 0, **choice}]})
        await response.write(f"data: {data}\n\n".encode())


@pytest.fixture
async def engine() -> AsyncIterator[tuple[ByteEngine, Replica]]:
    served = ByteEngine()
    app = web.Application()
    app.router.add_post("/detokenize", served.detokenize)
    app.router.add_post("/v1/completions", served.complete)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    connections = Connections()
    upstream = Upstream(
        UpstreamSettings(name="a", base_url=url, engine="vllm"),
        connections,
        AdapterSettings(api_key="key"),
    )
    yield served, Replica(upstream, "m", asyncio.Event())
    connections.close()
    await runner.cleanup()


def begun(end: int, size: int) -> tuple[Ledger, Tokens]:
    """What came of the answer's first `end` bytes, `size` token ids at a time."""
    decoder = ChunkDecoder("a")
    events: list[Event] = []
    data = ANSWER.encode()
    shown = 0
    decoder.feed(json.dumps({"choices": [], "prompt_token_ids": PROMPT}).encode(), events)
    for at in range(0, end, size):
        stop = min(at + size, end)
        text = data[shown:stop].decode(errors="ignore")
        shown += len(text.encode())
        choice = {"index": 0, "delta": {"content": text}, "token_ids": list(data[at:stop])}
        decoder.feed(json.dumps({"choices": [choice]}).encode(), events)
    ledger = Ledger()
    ledger.add(events)
    return ledger, decoder.tokens.known()


async def gone_on(
    replica: Replica, ledger: Ledger, tokens: Tokens
) -> tuple[list[Event], Tokens | None]:
    """The rest of the answer, and all its tokens."""
    asked = Ask("chat/completions", "m", {"messages": [], "max_tokens": 90})
    [plan] = ways_on(asked, ledger, tokens, TOKENS, "vllm")
    attempt = Attempt(replica, plan, 1, ledger, tokens)
    try:
        events = await attempt.begin(1)
        while more := await attempt.read():
            events += more
        return events, attempt.tokens
    finally:
        await attempt.close()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
async def test_an_answer_goes_on_from_any_byte(engine: tuple[ByteEngine, Replica], size: int):
    served, replica = engine
    for end in range(size, len(ANSWER.encode()) + 1):
        ledger, tokens = begun(end, size)
        events, all_tokens = await gone_on(replica, ledger, tokens)
        rest = "".join(event.text for event in events if isinstance(event, Text))
        assert ledger.text.text() + rest == ANSWER
        assert all_tokens is not None
        assert bytes(all_tokens.generated).decode() == ANSWER
        assert Usage(len(PROMPT), len(ANSWER.encode())) in events
        kept = len(served.asked[-1]["prompt"]) - len(PROMPT)
        assert served.asked[-1]["max_tokens"] == 90 - kept


async def test_nothing_is_asked_for_where_the_end_may_be_half_a_character(
    engine: tuple[ByteEngine, Replica],
):
    """Without a way to see it the whole prompt might come back as the answer."""
    served, replica = engine
    served.detokenizes = False
    ledger, tokens = begun(8, 2)
    with pytest.raises(MismatchError):
        await gone_on(replica, ledger, tokens)
    assert served.asked == []
    ledger, tokens = begun(8, 1)
    assert (await gone_on(replica, ledger, tokens))[0]


# Calls that are whole, and token counts that never came.


def call(index: int, city: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": json.dumps({"city": city})}
    return chunk({"tool_calls": [{"index": index, "id": f"call_{index}", "function": function}]})


@pytest.mark.parametrize(("greedy", "cities"), [(True, ["Rom", "Bonn"]), (False, ["Rom"])])
async def test_after_a_whole_call_another_may_follow(
    upstream: ScriptedUpstream,
    second_upstream: ScriptedUpstream,
    start_adapter: StartAdapter,
    client: Client,
    greedy: bool,
    cities: list[str],
):
    """Where nobody can tell, the answer ends with the call that is there."""

    async def break_off_once(turn: Turn) -> None:
        await turn.send(call(0, "Rom"))
        if len(upstream.turns) + len(second_upstream.turns) == 1:
            turn.cut()
            return
        await turn.send(call(1, "Bonn"), chunk(finish="tool_calls"), usage(7, 2), "[DONE]")

    upstream.script = second_upstream.script = break_off_once
    adapter = start_adapter(upstream, second_upstream)
    body = ask(stream=True, tools=[TOOL], temperature=0 if greedy else 1)
    reply = await client.post(adapter, CHAT, body)
    calls = [each for delta in reply.deltas for each in delta.get("tool_calls") or ()]
    arguments: dict[int, str] = {}
    for each in calls:
        arguments[each["index"]] = arguments.get(each["index"], "") + each["function"]["arguments"]
    assert [json.loads(each)["city"] for each in arguments.values()] == cities
    finishes = [
        frame["choices"][0]["finish_reason"] for frame in reply.frames[:-1] if frame["choices"]
    ]
    assert [each for each in finishes if each] == ["tool_calls"]


async def test_token_counts_that_never_came_are_those_of_the_tokens(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    async def without_usage(turn: Turn) -> None:
        await turn.send(chunk({"role": "assistant"}, prompt_token_ids=[1, 2, 3, 4, 5]))
        for token in (6, 7, 8):
            said = chunk({"content": "a"})
            said["choices"][0]["token_ids"] = [token]
            await turn.send(said)
        await turn.send(chunk(finish="stop"))
        turn.cut()

    upstream.script = without_usage
    settings = UpstreamSettings(
        name="up", base_url=upstream.base_url, engine="vllm", continuation="tokens"
    )
    adapter = start_adapter(upstreams=[settings])
    body = ask(stream=True, stream_options={"include_usage": True})
    reply = await client.post(adapter, CHAT, body)
    [counts] = [frame["usage"] for frame in reply.frames[:-1] if frame.get("usage")]
    assert (counts["prompt_tokens"], counts["completion_tokens"]) == (5, 3)


def test_a_whole_call_is_not_written_once_more():
    ledger = Ledger()
    ledger.add([ToolCallDelta(0, "call_0", "f", '{"city": "Rom"}')])
    asked = Ask("chat/completions", "m", {"messages": [], "tools": [TOOL]})
    assert ways_on(asked, ledger, None, Capabilities("prefill"), "llama.cpp") == []

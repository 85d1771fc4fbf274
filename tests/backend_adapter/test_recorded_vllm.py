"""Streams of a real vLLM 0.32, made to say a known answer: what its token ids tell, and how one goes on.

It ran SmolLM2-135M with its DeepSeek-R1 reasoning parser and its Hermes tool parser; `vllm_error.sse` ends
where its engine core was killed.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend_adapter.chat.decode import ChunkDecoder, Tokens
from backend_adapter.chat.events import Event, Failure, Finish, Text, Usage
from backend_adapter.chat.ledger import Joiner, Ledger, Start
from backend_adapter.chat.sse import SseParser
from backend_adapter.chat.tool_schema import Tool
from backend_adapter.routing.reading import as_engine

RECORDED = Path(__file__).parent / "recorded"
WEATHER = Tool("get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}}})
# What the model generated, marks included, and whether vLLM told thinking apart.
RAW = {
    "plain": ("Grüße 🎉 aus 東京.", False),
    "reasoning": ("Hm 🎉.\n</think>\n\nFour.", True),
    "tool_call": (
        '</think>\n\n<tool_call>\n{"name": "get_weather", "arguments": {"city" : "Köln"} }\n</tool_call>',
        False,
    ),
}


def frames(name: str) -> list[bytes]:
    """The events of a recorded stream, as bytes."""
    stream = (RECORDED / f"vllm_{name}.sse").read_bytes()
    return [frame + b"\n\n" for frame in stream.split(b"\n\n") if frame]


def read(pieces: Sequence[bytes]) -> tuple[list[Event], Tokens]:
    """What a stream tells as long as it lasts."""
    parser, decoder = SseParser(), ChunkDecoder("up")
    events: list[Event] = []
    for piece in pieces:
        for data in parser.feed(piece):
            if not decoder.done:
                decoder.feed(data, events)
    return events, decoder.tokens


def said(events: Sequence[Event]) -> tuple[str, str, list[tuple[str, str]]]:
    ledger = Ledger()
    ledger.add(events)
    calls = [(call.name, call.arguments.text()) for call in ledger.calls.values()]
    return ledger.reasoning.text(), ledger.text.text(), calls


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", ("", "Grüße 🎉 aus 東京.", [])),
        ("reasoning", ("Hm 🎉.\n", "\n\nFour.", [])),
        ("tool_call", ("", "\n\n", [("get_weather", '{"city" : "Köln"}')])),
    ],
)
def test_what_vllm_says_is_read_with_all_its_token_ids(
    name: str, expected: tuple[str, str, list[tuple[str, str]]]
):
    events, tokens = read(frames(name))
    assert said(events) == expected
    assert isinstance(events[-1], Usage)
    assert (len(tokens.prompt or ()), len(tokens.generated)) == (
        events[-1].prompt_tokens,
        events[-1].completion_tokens,
    )
    finishes = [event.reason for event in events if isinstance(event, Finish)]
    assert finishes == ["tool_calls" if expected[2] else "stop"]


def test_token_ids_of_half_a_character_are_not_gone_on_from():
    """The emoji is three tokens, of which vLLM shows nothing before the last."""
    shown = [
        (len(tokens.generated), len(tokens.known().generated))
        for end in range(2, len(frames("plain")))
        for tokens in [read(frames("plain")[:end])[1]]
    ]
    emoji = [(count, known) for count, known in shown if count != known]
    assert emoji[:2] == [(known + half, known) for half in (1, 2) for known in [emoji[0][1]]]
    assert all(known <= count for count, known in shown)


@pytest.mark.parametrize("name", ["reasoning", "tool_call"])
@given(st.data())
def test_an_answer_that_is_gone_on_with_reads_as_if_vllm_had_gone_on(
    name: str, data: st.DataObject
):
    """Cut after any event, and its raw text told again in any pieces."""
    stream = frames(name)
    whole, _ = read(stream)
    before, _ = read(stream[: data.draw(st.integers(2, len(stream) - 3))])
    ledger = Ledger()
    ledger.add(before)
    assume(ledger.phase != "nothing")
    raw, thought = RAW[name]
    tools = [WEATHER] if name == "tool_call" else []
    places = sorted(data.draw(st.sets(st.integers(0, len(raw)), max_size=20)))
    pieces = [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True) if b > a]
    # Of the text that is told first, what was shown is a part, the end of thinking included where there was none.
    told = raw[: data.draw(st.integers(1 if thought else raw.index("\n"), len(raw)))]
    reader, joiner = as_engine(tools, told, thought=thought), Joiner(ledger, Start())
    after: list[Event] = []
    for event in [*(Text(piece) for piece in pieces), Finish("stop")]:
        after += joiner.feed(list(reader.feed(event)))
    assert said([*before, *after]) == said(whole)
    finish = [event for event in whole if isinstance(event, Finish)]
    assert [event for event in after if isinstance(event, Finish)] == finish


def test_a_killed_engine_is_a_failure_in_spite_of_its_done():
    events, tokens = read(frames("error"))
    assert isinstance(events[-1], Failure)
    assert events[-1].status == 502
    assert not any(isinstance(event, Finish) for event in events)
    assert tokens.known().generated

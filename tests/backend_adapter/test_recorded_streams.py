"""Streams as engines send them, however the network cuts them, and wherever they end.

`recorded/llamacpp.sse` is what llama.cpp (xllamacpp 2026.10.11549, SmolLM2-135M) sent; the others are those
of the engines of `benchmarks.faults`, in vLLM's form with its token ids and in llama.cpp's.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import Event, Failure, Finish
from backend_adapter.chat.ledger import Ledger
from backend_adapter.chat.sse import SseParser
from benchmarks.faults.connection import event_bytes
from benchmarks.faults.forms import ChatForm, Engine
from benchmarks.faults.judge import GREEDY
from benchmarks.faults.model import END, IDS, WHOLE


def engine_stream(engine: Engine, prompt: list[int] | None) -> bytes:
    """What a scripted engine sends when nothing goes wrong."""
    form = ChatForm(engine, "m", prompt, [])
    tokens = [position[0] for position in WHOLE.positions]
    chunks = [*form.opening(), *(form.token(token) for token in tokens if token != END)]
    chunks.append(form.finish("tool_calls"))
    usage = {"prompt_tokens": 8, "completion_tokens": len(tokens)}
    return b"".join(
        event_bytes(each) for each in (*chunks, {"choices": [], "usage": usage}, "[DONE]")
    )


STREAMS = {
    "recorded": (Path(__file__).parent / "recorded" / "llamacpp.sse").read_bytes(),
    "vllm": engine_stream("vllm", [1, 2, 3]),
    "llama.cpp": engine_stream("llama.cpp", None),
}


def read(pieces: Sequence[bytes]) -> tuple[list[Event], ChunkDecoder]:
    """The events of a stream that ends after these pieces."""
    parser, decoder = SseParser(), ChunkDecoder("up")
    events: list[Event] = []
    for piece in pieces:
        for data in parser.feed(piece):
            if not decoder.done:
                decoder.feed(data, events)
    events += decoder.close()
    return events, decoder


def said(events: Sequence[Event]) -> tuple[str, str, list[str]]:
    """Thinking, text and arguments of these events."""
    ledger = Ledger()
    ledger.add(events)
    arguments = [call.arguments.text() for call in ledger.calls.values()]
    return ledger.reasoning.text(), ledger.text.text(), arguments


@st.composite
def cuts(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """A stream and the pieces in which it arrives."""
    name = draw(st.sampled_from(sorted(STREAMS)))
    stream = STREAMS[name]
    places = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=40)))
    return name, [
        stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True) if b > a
    ]


@given(cuts())
def test_a_stream_says_the_same_however_it_is_cut(cut: tuple[str, list[bytes]]):
    name, pieces = cut
    events, decoder = read(pieces)
    whole, _ = read([STREAMS[name]])
    assert [type(event) for event in events] == [type(event) for event in whole]
    assert said(events) == said(whole)
    assert decoder.complete


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_the_same_byte_by_byte(name: str):
    stream = STREAMS[name]
    events, _ = read([stream[at : at + 1] for at in range(len(stream))])
    assert said(events) == said(read([stream])[0])


@pytest.mark.parametrize("name", ["vllm", "llama.cpp"])
def test_the_engines_streams_say_what_they_should(name: str):
    reasoning, text, arguments = GREEDY
    assert said(read([STREAMS[name]])[0]) == (reasoning, text, [arguments])


@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_a_stream_that_ends_early_is_a_failure_and_says_a_beginning(name: str, data: st.DataObject):
    stream = STREAMS[name]
    events, decoder = read([stream[: data.draw(st.integers(0, len(stream) - 1))]])
    whole = said(read([stream])[0])
    for part, of_whole in zip(said(events)[:2], whole[:2], strict=True):
        assert of_whole.startswith(part)
    finished = any(isinstance(event, Finish) for event in events)
    assert decoder.complete == finished
    assert isinstance(events[-1] if events else None, Failure) == (not finished)


@given(st.integers(0, len(STREAMS["vllm"]) - 1))
def test_token_ids_of_a_broken_stream_say_no_more_than_its_events(end: int):
    """Whoever goes on from the ids would otherwise leave out what was never shown."""
    events, decoder = read([STREAMS["vllm"][:end]])
    known = decoder.tokens.known()
    tokens = [position[0] for position in WHOLE.positions]
    assert known.generated == [IDS[token] for token in tokens[: len(known.generated)]]
    reasoning, text, _ = said(events)
    if not text:
        thought = tokens[1 : WHOLE.marks["text"] - 1][: max(0, len(known.generated) - 1)]
        assert b"".join(thought).decode() == reasoning

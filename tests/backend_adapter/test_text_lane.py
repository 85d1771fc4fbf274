"""The lane for text says what reading every chunk with care would have said."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import Event, Text
from backend_adapter.chat.text_lane import TextLane

LOOKS = {"vllm": (",", ":"), "python": (", ", ": ")}


def piece(delta: dict[str, Any], look: str = "vllm", **choice: Any) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, **choice}],
    }
    written = json.dumps(body, separators=LOOKS[look], ensure_ascii=False)
    return b"data: " + written.encode() + b"\n\n"


def with_care(pieces: list[bytes]) -> tuple[list[Event], ChunkDecoder]:
    decoder, events = ChunkDecoder("up"), list[Event]()
    for each in pieces:
        if not decoder.done:
            decoder.feed(each[len(b"data: ") : -2], events)
    return events, decoder


def by_lane(pieces: list[bytes]) -> tuple[list[Event], ChunkDecoder]:
    decoder, events = ChunkDecoder("up"), list[Event]()
    lane = TextLane(decoder)
    for each in pieces:
        if decoder.done:
            break
        text = lane.read(each)
        if text is not None:
            events.append(Text(text))
            continue
        lane.forget()
        decoder.feed(each[len(b"data: ") : -2], events)
    return events, decoder


def alike(pieces: list[bytes]) -> None:
    care, sure = with_care(pieces)
    lane, quick = by_lane(pieces)
    assert lane == care
    assert quick.tokens == sure.tokens
    assert quick.complete == sure.complete


TEXTS = st.one_of(
    st.text(max_size=8), st.sampled_from([" the", "\\", '"', "\n", "é", "😀", "\x00"])
)
IDS = st.one_of(st.none(), st.lists(st.integers(0, 200_000), max_size=3))


@st.composite
def a_piece(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from(["text"] * 8 + ["reasoning", "role", "finish", "ids only"]))
    look = draw(st.sampled_from(sorted(LOOKS)))
    ids = draw(IDS)
    more: dict[str, Any] = {} if ids is None else {"token_ids": ids}
    if kind == "text":
        return piece({"content": draw(TEXTS)}, look, finish_reason=None, **more)
    if kind == "reasoning":
        return piece({"reasoning_content": draw(TEXTS)}, look, **more)
    if kind == "role":
        return piece({"role": "assistant", "content": draw(TEXTS)}, look, **more)
    if kind == "finish":
        return piece({"content": draw(TEXTS)}, look, finish_reason="stop", **more)
    return piece({}, look, **more)


@given(st.lists(a_piece(), max_size=12))
def test_it_says_what_reading_with_care_says(pieces: list[bytes]) -> None:
    alike(pieces)


def test_text_with_ids_is_read_by_the_pattern_of_the_one_before() -> None:
    class Counting(ChunkDecoder):
        careful = 0

        def plain_text(self, data: bytes) -> str | None:
            self.careful += 1
            return super().plain_text(data)

    decoder = Counting("up")
    lane = TextLane(decoder)
    for number, word in enumerate((" a", " b", " c", " d")):
        assert lane.read(piece({"content": word}, token_ids=[number])) == word
    assert decoder.careful == 1
    assert decoder.tokens.generated == [0, 1, 2, 3]


def raw(text: str) -> bytes:
    return f"data: {text}\n\n".encode()


@pytest.mark.parametrize(
    "form",
    [
        # The key is written in another way, and something else is called content.
        '{{"choices":[{{"delta":{{"\\u0063ontent":"{0}"}},"logprobs":{{"content":"{0}"}}}}]}}',
        '{{"choices":[{{"delta":{{"\\u0063ontent":"x"}},"logprobs":{{"content":"{0}"}}}}]}}',
        # Twice: the last one counts.
        '{{"choices":[{{"delta":{{"content":"x","content":"{0}"}}}}]}}',
        '{{"choices":[{{"delta":{{"content":"{0}","content":"x"}}}}]}}',
        # Token ids that are none of this choice's.
        '{{"choices":[{{"delta":{{"content":"{0}"}},"other":{{"token_ids":[{1}]}}}}]}}',
        '{{"choices":[{{"delta":{{"content":"{0}"}},"token_ids":[1],"a":{{"token_ids":[{1}]}}}}]}}',
        # An id that is too long, and one that is no number.
        '{{"choices":[{{"delta":{{"content":"{0}"}},"token_ids":[{1}0000000000000000]}}]}}',
        # Another choice.
        '{{"choices":[{{"index":{1},"delta":{{"content":"{0}"}}}}]}}',
        # Two events, a comment, another line end.
        '{{"choices":[{{"delta":{{"content":"{0}"}}}}]}}\n\ndata: [DONE]',
    ],
)
def test_a_chunk_that_only_looks_alike_is_read_with_care(form: str) -> None:
    pieces = [raw(form.format(text, number)) for number, text in enumerate(("x", "y", "z"))]
    decoder = ChunkDecoder("up")
    lane = TextLane(decoder)
    careful = ChunkDecoder("up")
    for each in pieces:
        if careful.done:
            break
        sure = careful.plain_text(each[len(b"data: ") : -2])
        assert lane.read(each) == sure
        assert decoder.tokens == careful.tokens


def test_nothing_is_read_past_the_end_of_the_answer() -> None:
    pieces = [
        piece({"content": "a"}, finish_reason=None),
        piece({"content": "b"}, finish_reason=None),
        piece({}, finish_reason="stop"),
        piece({"content": "c"}, finish_reason=None),
    ]
    alike(pieces)
    assert Text("c") not in by_lane(pieces)[0]

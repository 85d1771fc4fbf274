import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import chunk, usage

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)


def decode(*data: dict[str, Any] | str | bytes, choices: int = 1) -> list[Event]:
    """All events of a stream of these, to its end."""
    decoder = ChunkDecoder("up", choices)
    events: list[Event] = []
    for each in data:
        if decoder.done:
            break
        text = each if isinstance(each, str | bytes) else json.dumps(each)
        decoder.feed(text if isinstance(text, bytes) else text.encode(), events)
    events.extend(decoder.close())
    return events


def call(index: int | None = 0, **fields: Any) -> dict[str, Any]:
    function = {key: fields.pop(key) for key in ("name", "arguments") if key in fields}
    return chunk({"tool_calls": [{"index": index, "function": function, **fields}]})


def failure(events: list[Event]) -> Failure:
    """The failure that ends the stream; it is the only one."""
    assert [event for event in events if isinstance(event, Failure)] == events[-1:]
    assert isinstance(events[-1], Failure)
    assert "up" in events[-1].message
    return events[-1]


def test_a_whole_answer():
    assert decode(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hello"}),
        chunk(finish="stop"),
        usage(3, 1),
        "[DONE]",
    ) == [Text("Hello"), Finish("stop"), Usage(3, 1)]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_thinking_has_one_name_whatever_the_engine_calls_it(field: str):
    assert decode(chunk({field: "hm"}), chunk(finish="stop"))[0] == Reasoning("hm")


def test_thinking_that_comes_under_two_names_is_taken_once():
    events = decode(chunk({"reasoning": "hm", "reasoning_content": "hm"}), chunk(finish="stop"))
    assert events[:-1] == [Reasoning("hm")]


def test_unknown_fields_do_not_exist():
    events = decode(
        chunk(
            {"content": "a", "event": {"type": "execute"}}, event={"type": "execute"}, sources=[]
        ),
        chunk(finish="stop", usage=None),
    )
    assert events == [Text("a"), Finish("stop")]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),  # no tool call came
    ],
)
def test_endings_have_one_name_whatever_the_engine_calls_them(said: str, meant: str):
    assert decode(chunk({"content": "a"}, said))[-1] == Finish(meant)


@pytest.mark.parametrize(
    "data",
    [
        [],
        ["[DONE]"],
        [chunk({"content": "a"})],
        [chunk({"content": "a"}), "[DONE]"],
        [chunk({"content": "a"}, "abort"), "[DONE]"],
        [chunk({"content": "a"}), usage(1, 1), "[DONE]"],
    ],
)
def test_a_stream_that_ends_without_saying_why_is_a_failure(data: list[Any]):
    assert failure(decode(*data)).code == "incomplete"


def test_an_answer_of_two_choices_is_complete_when_both_are():
    first, second = chunk({"content": "a"}, "stop"), chunk({"content": "b"}, index=1)
    assert failure(decode(first, second, choices=2)).code == "incomplete"
    complete = decode(first, second, chunk(finish="length", index=1), choices=2)
    assert complete[-1] == Finish("length", 1)


def test_an_error_chunk_is_a_failure_although_done_follows():
    error = {"error": {"message": "EngineCore died", "code": 500}}
    events = decode(chunk({"content": "a"}), error, "[DONE]")
    assert events[0] == Text("a")
    assert "EngineCore died" in failure(events).message
    assert failure(events).status == 502


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ({"message": "too long", "code": 400}, 400, "too long"),
        ({"message": "<b>too</b> <script>long", "code": 400}, 400, "too long"),
        ("plain", 502, "plain"),
        ({"message": ["?"]}, 502, "no reason given"),
        (17, 502, "no reason given"),
    ],
)
def test_an_error_is_read_whatever_its_form(error: Any, status: int, message: str):
    ended = failure(decode({"error": error}))
    assert ended.status == status
    assert ended.message.rstrip(".").endswith(message)


@pytest.mark.parametrize(
    "data",
    ["<html>", "{", "[]", "7", '{"choices": 5}', '{"choices": [{"delta": {"content": 5}}]}'],
)
def test_a_chunk_that_cannot_be_read_is_a_failure(data: str):
    assert failure(decode(chunk({"content": "a"}), data)).code == "unreadable_chunk"


def test_a_choice_that_nobody_asked_for_is_a_failure():
    assert failure(decode(chunk({"content": "a"}, index=1))).code == "unexpected_choice"
    assert failure(decode(chunk({"content": "a"}, index=-1))).code == "unexpected_choice"


def test_bytes_that_are_no_utf8_are_replaced():
    broken = json.dumps(chunk({"content": "X"}, "stop")).encode().replace(b"X", b"\xff")
    assert decode(broken)[0] == Text("\N{REPLACEMENT CHARACTER}")


def test_a_tool_call_arrives_in_pieces():
    assert decode(
        call(id="functions.search:0", name="search", arguments=""),
        call(arguments='{"q":'),
        call(name="search", arguments="1}"),
        chunk(finish="tool_calls"),
    ) == [
        ToolCallDelta(0, "functions.search:0", "search", ""),
        ToolCallDelta(0, arguments='{"q":'),
        ToolCallDelta(0, arguments="1}"),
        Finish("tool_calls"),
    ]


def test_a_tool_call_gets_an_id_where_its_own_is_missing_used_or_odd():
    events = decode(
        call(0, name="a"),
        call(1, name="b", id="x"),
        call(2, name="c", id="x"),
        call(3, name="d", id="<img src=x>"),
        chunk(finish="tool_calls"),
    )
    ids = [event.id for event in events if isinstance(event, ToolCallDelta)]
    assert len(set(ids)) == 4
    assert ids[1] == "x"
    assert all(each and each.replace("_", "").isalnum() for each in ids)


def test_arguments_may_come_as_an_object_and_calls_without_numbers():
    delta = {"tool_calls": [{"function": {"name": name, "arguments": {"q": 1}}} for name in "ab"]}
    events = decode(chunk(delta), chunk(finish="function_call"))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [(each.index, each.name, each.arguments) for each in calls] == [
        (0, "a", '{"q":1}'),
        (1, "b", '{"q":1}'),
    ]
    assert events[-1] == Finish("tool_calls")


@pytest.mark.parametrize(
    "bad", [call(name=""), call(arguments="{}"), call(name="<b>"), call(128, name="a")]
)
def test_a_tool_call_that_cannot_be_read_is_a_failure(bad: dict[str, Any]):
    assert failure(decode(bad)).code == "unreadable_tool_call"


def test_a_tool_call_that_changes_its_name_is_a_failure():
    events = decode(call(name="files_"), call(name="read", arguments="{}"))
    assert failure(events).code == "unreadable_tool_call"
    assert events[:-1] == [ToolCallDelta(0, events[0].id, "files_")]


def test_a_picture_in_an_upstream_s_error_is_none():
    said = {"error": {"message": "No ![x](https://a.example/?q=1), [x]<br>(https://a.example)"}}
    assert "](" not in failure(decode(said)).message


def test_token_counts_of_the_last_chunk_count():
    details = {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    early = chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1})
    events = decode(early, chunk(finish="stop", usage=details), "[DONE]")
    assert events[-1] == Usage(5, 2, cached_tokens=4, reasoning_tokens=1)


def test_what_follows_a_choice_s_end_is_not_part_of_it():
    events = decode(chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "length"))
    assert events == [Text("a"), Finish("stop")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "index", "content", "error", "usage", "tool_calls"]
            ),
            inner,
            max_size=3,
        )
    ),
)


@given(st.lists(JSON.map(json.dumps) | st.text(), max_size=4))
def test_any_stream_ends_in_exactly_one_way(data: list[str]):
    events = decode(*(text.encode(errors="replace") for text in data))
    ends = [event for event in events if isinstance(event, Failure | Finish)]
    assert ends
    assert all(not isinstance(event, Failure) for event in events[:-1])

import json
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent

from backend_adapter.chat.events import Finish, Part, Reasoning, Text, ToolCallDelta, Usage
from backend_adapter.chat.responses.answer import ResponsesCollector
from backend_adapter.chat.responses.encode import ResponsesEncoder
from backend_adapter.chat.responses.request import ResponsesRequest, parse_responses
from backend_adapter.errors import AdapterError, QueueFullError, RequestError, UpstreamError

EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(ResponseStreamEvent)
ANSWER = "resp_0123456789abcdef"
CREATED = 1_700_000_000
TOOL = {"type": "function", "name": "files_search", "parameters": {"type": "object"}}
USAGE = Usage(7, 5, cached_tokens=3, reasoning_tokens=2)
THINK_CALL_AND_SAY: list[Part] = [
    Reasoning("Let me"),
    Reasoning(" see."),
    Text("I "),
    Text("search."),
    ToolCallDelta(0, "c1", "files_search"),
    ToolCallDelta(0, arguments='{"q":'),
    ToolCallDelta(1, "c2", "files_search", "{}"),
    ToolCallDelta(0, arguments='"ä"}'),
    Finish("tool_calls"),
    USAGE,
]


def request(**fields: Any) -> ResponsesRequest:
    return parse_responses(json.dumps({"model": "m", "input": "Hi", **fields}).encode())


def streamed(events: list[Part], asked: ResponsesRequest | None = None) -> list[dict[str, Any]]:
    encoder = ResponsesEncoder(asked or request(), ANSWER, CREATED)
    return read(encoder.frames(events[:3]) + encoder.frames(events[3:]) + encoder.end())


def collected(events: list[Part], asked: ResponsesRequest | None = None) -> dict[str, Any]:
    collector = ResponsesCollector(asked or request(), ANSWER, CREATED)
    for event in events:
        collector.add(event)
    body = json.loads(json.dumps(collector.body()))
    parsed = Response.model_validate_json(json.dumps(body), strict=True)
    assert parsed.to_dict(mode="json") == body
    assert foreign(parsed) == {"store"}
    return body


def read(raw: bytes) -> list[dict[str, Any]]:
    """The data of every event, each read strictly by the official SDK's own model for it."""
    events = []
    *frames, rest = raw.split(b"\n\n")
    assert rest == b""
    for number, frame in enumerate(frames):
        name, data = frame.decode().split("\n")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        assert body["sequence_number"] == number
        parsed = EVENT.validate_json(data.removeprefix("data: "), strict=True)
        assert parsed.type == body["type"]
        assert parsed.to_dict(mode="json") == body
        assert foreign(parsed) <= {"store"}
        events.append(body)
    return events


def foreign(value: object) -> set[str]:
    """Fields that the SDK's models do not know, anywhere in `value`."""
    if isinstance(value, pydantic.BaseModel):
        inner = [foreign(getattr(value, name)) for name in type(value).model_fields]
        return set(value.model_extra or {}).union(*inner)
    if isinstance(value, (list, tuple)):
        return set().union(*map(foreign, value))
    return set()


def types(events: list[dict[str, Any]]) -> list[str]:
    return [each["type"].removeprefix("response.") for each in events]


def test_a_text_is_streamed():
    events = streamed([Text("Guten"), Text(" Tag"), Finish("stop"), USAGE])
    assert types(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["output"] == []
    assert [each["delta"] for each in events[4:6]] == ["Guten", " Tag"]
    assert events[6]["text"] == "Guten Tag"
    assert {each["item_id"] for each in events[3:8]} == {events[2]["item"]["id"]}
    final = events[-1]["response"]
    assert final["output"] == [events[8]["item"]]
    assert final["output"][0]["content"][0]["text"] == "Guten Tag"
    assert final["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_thinking_text_and_calls_are_items_of_their_own():
    events = streamed(THINK_CALL_AND_SAY)
    assert types(events)[2:] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    output = events[-1]["response"]["output"]
    assert len({each["id"] for each in output}) == 4
    for item in output:
        assert item.pop("status") == "completed"
        item.pop("id")
    call = {"type": "function_call", "name": "files_search"}
    assert output == [
        {
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "Let me see."}],
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "I search.", "annotations": [], "logprobs": []}
            ],
        },
        {**call, "call_id": "c1", "arguments": '{"q":"ä"}'},
        {**call, "call_id": "c2", "arguments": "{}"},
    ]


def test_the_response_says_what_was_asked_and_that_nothing_is_stored():
    asked = request(
        instructions="Be brief.",
        metadata={"chat": "1"},
        temperature=0.5,
        top_p=1,
        max_output_tokens=9,
        reasoning={"effort": "low", "summary": "detailed"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}},
        tools=[TOOL],
        tool_choice={"type": "function", "name": "files_search"},
        parallel_tool_calls=False,
        user="u",
        store=True,
        service_tier="priority",
    )
    body = collected([Text("Hi"), Finish("stop")], asked)
    for item in body.pop("output"):
        assert item["content"][0]["text"] == "Hi"
    assert body == {
        "id": ANSWER,
        "object": "response",
        "created_at": CREATED,
        "model": "m",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "usage": None,
        "instructions": "Be brief.",
        "metadata": {"chat": "1"},
        "temperature": 0.5,
        "top_p": 1.0,
        "max_output_tokens": 9,
        "parallel_tool_calls": False,
        "tools": [{**TOOL, "description": None, "strict": None}],
        "tool_choice": {"type": "function", "name": "files_search"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}}},
        "user": "u",
        "reasoning": {"effort": "low", "summary": None},
        "background": False,
        "previous_response_id": None,
        "service_tier": "default",
        "store": False,
        "top_logprobs": 0,
        "truncation": "disabled",
    }


@pytest.mark.parametrize("form", [None, {"type": "text"}, {"type": "json_object"}])
@pytest.mark.parametrize(
    "choice",
    [
        None,
        "none",
        {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "files_search"}],
        },
    ],
)
def test_every_form_and_tool_choice_is_one_that_the_sdk_knows(form: Any, choice: Any):
    asked = request(tools=[TOOL], tool_choice=choice, text={"format": form} if form else None)
    body = collected([Finish("stop")], asked)
    assert body["tool_choice"] == (choice or "auto")
    assert body["text"] == {"format": form or {"type": "text"}}
    assert streamed([Finish("stop")], asked)[-1]["response"] == body


def test_the_sdk_reads_the_text_of_a_collected_answer():
    body = collected([Text("Guten"), Reasoning("hm"), Text(" Tag"), Finish("stop")])
    assert Response.model_validate(body).output_text == "Guten Tag"


@pytest.mark.parametrize(
    ("reason", "named"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_off_is_incomplete(reason: Any, named: str):
    events: list[Part] = [Reasoning("hm"), Text("Gu"), Finish(reason), USAGE]
    last = streamed(events)[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"] == collected(events)
    assert last["response"]["incomplete_details"] == {"reason": named}
    assert [each["status"] for each in last["response"]["output"]] == ["completed", "incomplete"]


def test_an_answer_whose_end_nobody_told_is_not_called_complete():
    last = streamed([Reasoning("hm"), Text("Gu")])[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"] == collected([Reasoning("hm"), Text("Gu")])
    assert last["response"]["incomplete_details"] is None
    assert [each["status"] for each in last["response"]["output"]] == ["completed", "incomplete"]


def test_a_call_that_was_cut_off_is_incomplete():
    events: list[Part] = [ToolCallDelta(0, "c1", "f", '{"q'), Finish("length")]
    *_, done, last = streamed(events)
    assert (done["item"]["status"], done["item"]["arguments"]) == ("incomplete", '{"q')
    assert last["type"] == "response.incomplete"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UpstreamError("It broke.", code="upstream_timeout"), "server_error"),
        (UpstreamError("It broke."), "server_error"),
        (UpstreamError("It broke.", code="upstream_overloaded"), "rate_limit_exceeded"),
        (QueueFullError("It broke.", 3), "rate_limit_exceeded"),
        (RequestError("It broke.", code="refused_by_upstream"), "invalid_prompt"),
    ],
)
def test_an_answer_that_breaks_off_fails_and_keeps_what_was_said(
    error: AdapterError, expected: str
):
    encoder = ResponsesEncoder(request(), ANSWER, CREATED)
    said = encoder.frame(Reasoning("hm")) + encoder.frame(Text("Gu"))
    *_, last = read(said + encoder.error(error.as_openai()))
    assert last["type"] == "response.failed"
    response = last["response"]
    assert response["status"] == "failed"
    assert response["error"] == {"code": expected, "message": str(error)}
    assert [each["status"] for each in response["output"]] == ["completed", "incomplete"]
    assert response["output"][1]["content"][0]["text"] == "Gu"


def test_an_answer_that_fails_before_its_first_word_is_still_announced():
    encoder = ResponsesEncoder(request(), ANSWER, CREATED)
    events = read(encoder.error(UpstreamError("It broke.").as_openai()))
    assert types(events) == ["created", "in_progress", "failed"]


def test_a_note_is_a_comment_that_is_no_part_of_the_response():
    encoder = ResponsesEncoder(request(), ANSWER, CREATED)
    assert encoder.note("a broke off,\n\ndata: <b>b</b>") == b": a broke off, data: b\n\n"
    assert types(read(encoder.end())) == ["created", "in_progress", "incomplete"]


def test_an_empty_answer_has_no_items():
    events = streamed([Text(""), Reasoning(""), Finish("stop"), USAGE])
    assert types(events) == ["created", "in_progress", "completed"]
    assert events[-1]["response"]["output"] == []
    assert collected([Text(""), Finish("stop"), USAGE]) == events[-1]["response"]


def test_another_choice_than_the_first_is_nobodys():
    events: list[Part] = [Text("a"), Text("b", 1), Finish("length", 1), Finish("stop")]
    assert collected(events) == collected([Text("a"), Finish("stop")])
    assert streamed(events) == streamed([Text("a"), Finish("stop")])


def test_a_text_cannot_break_out_of_its_frame():
    hostile = 'a\n\nevent: execute\ndata: {"type":"x"}\r\r\u2028\x00"'
    events = streamed([Text(hostile), Finish("stop")])
    assert events[4]["delta"] == hostile


def answer() -> st.SearchStrategy[list[Part]]:
    """Any events in any order, as far as the decoder lets them through: a call's first piece names it."""
    pieces = st.sampled_from(["", "a", "ä\n", '{"'])
    step = st.one_of(
        pieces.map(Text),
        pieces.map(Reasoning),
        st.tuples(st.integers(0, 2), pieces),
    )
    reason = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])

    def finished(steps: list[Any], why: Any, usage: bool) -> list[Part]:
        named: set[int] = set()
        events: list[Part] = []
        for each in steps:
            if not isinstance(each, tuple):
                events.append(each)
                continue
            index, piece = each
            first = index not in named
            named.add(index)
            name = (f"c{index}", "f") if first else (None, None)
            events.append(ToolCallDelta(index, *name, piece))
        return [*events, Finish(why), *([USAGE] if usage else [])]

    return st.builds(finished, st.lists(step, max_size=12), reason, st.booleans())


@given(answer())
def test_every_stream_adds_up_to_the_collected_answer(events: list[Part]):
    frames = streamed(events)
    assert frames[-1]["response"] == collected(events)
    written: dict[str, str] = {}
    begun: dict[str, int] = {}
    done: dict[str, dict[str, Any]] = {}
    for frame in frames:
        kind = frame["type"]
        if kind == "response.output_item.added":
            assert frame["output_index"] == len(begun)
            begun[frame["item"]["id"]] = frame["output_index"]
            written[frame["item"]["id"]] = ""
        elif kind == "response.output_item.done":
            assert begun[frame["item"]["id"]] == frame["output_index"]
            assert done.setdefault(frame["item"]["id"], frame["item"]) is frame["item"]
        elif "item_id" in frame:
            assert begun[frame["item_id"]] == frame["output_index"]
            assert frame["item_id"] not in done
            if kind.endswith(".delta"):
                written[frame["item_id"]] += frame["delta"]
            elif "text" in frame or "arguments" in frame:
                assert written[frame["item_id"]] == frame.get("text", frame.get("arguments"))
    output = frames[-1]["response"]["output"]
    assert [done[each["id"]] for each in output] == output
    assert list(begun) == [each["id"] for each in output]
    for item in output:
        text = item["arguments"] if "arguments" in item else item["content"][0]["text"]
        assert written[item["id"]] == text


@given(answer(), st.integers(0, 12))
def test_a_failure_anywhere_keeps_what_was_said(events: list[Part], at: int):
    events = [each for each in events if not isinstance(each, (Finish, Usage))][:at]
    encoder = ResponsesEncoder(request(), ANSWER, CREATED)
    said = b"".join(map(encoder.frame, events))
    *frames, last = read(said + encoder.error(UpstreamError("It broke.").as_openai()))
    deltas = [each["delta"] for each in frames if each["type"].endswith(".delta")]
    kept = [
        item["arguments"] if "arguments" in item else item["content"][0]["text"]
        for item in last["response"]["output"]
    ]
    assert sorted("".join(kept)) == sorted("".join(deltas))
    assert last["response"]["status"] == "failed"

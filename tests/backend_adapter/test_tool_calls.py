"""Planning a chat for engines that know tools and for engines that do not."""

import copy
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import validate

from backend_adapter.chat import tool_calls
from backend_adapter.chat.call_syntax.constrained import MAX_CALL_TEXT, read_call
from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.stages import Stages
from backend_adapter.chat.tool_calls import Plan
from backend_adapter.chat.tool_schema import Tool

plan = partial(tool_calls.plan, small=True)

SEARCH = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "Key words", "maxLength": 2000},
        "limit": {"type": "integer", "default": 5},
    },
    "required": ["query"],
}
SQL = {
    "type": "object",
    "properties": {"database": {"type": "string"}, "query": {"type": "string"}},
    "required": ["database", "query"],
}


def tool(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": f"What {name} does.", "parameters": parameters},
    }


TOOLS = [tool("files_search", SEARCH), tool("databases_query", SQL)]
QUESTION = {"role": "user", "content": "How much is the dog tax?"}
CALLED = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "files_search", "arguments": "{}"}}
    ],
}
FOUND = {"role": "tool", "tool_call_id": "c1", "content": "[1] tax.md\nThe dog tax is 96 euros."}
PATTERN = ("files_search",)


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages or (QUESTION,)), "tools": TOOLS, **fields}


def schema_of(planned: Plan) -> dict[str, Any]:
    form = planned.body["response_format"]
    assert form["type"] == "json_schema"
    schema: dict[str, Any] = form["json_schema"]["schema"]
    return schema


def events_of(planned: Plan, *events: Event) -> list[Event]:
    """What a client gets; as for a client, a Failure is the end."""
    stages = Stages(planned.stages())
    got: list[Event] = []
    for event in events:
        for out in stages.feed(event):
            got.append(out)
            if isinstance(out, Failure):
                return got
    return got


def constrained() -> Plan:
    return plan(body(), PATTERN, "schema")


def call_text(query: str = "dog tax") -> str:
    return json.dumps({"name": "files_search", "arguments": {"query": query}})


@pytest.mark.parametrize("mode", ["engine", "schema", "text"])
def test_planning_leaves_the_request_as_it_is(mode: Any) -> None:
    asked = body(QUESTION, CALLED, FOUND)
    before = copy.deepcopy(asked)

    plan(asked, PATTERN, mode)

    assert asked == before


def test_an_engine_with_tools_gets_the_request_unchanged() -> None:
    assert plan(body(), (), "engine").body == body()


def test_an_engine_with_tools_is_told_which_one_to_call_first() -> None:
    planned = plan(body(), ("files_*",), "engine")

    assert planned.body["tool_choice"] == {"type": "function", "function": {"name": "files_search"}}
    assert planned.body["tools"] == TOOLS


def test_several_tools_that_match_make_a_call_required() -> None:
    assert plan(body(), ("*",), "engine").body["tool_choice"] == "required"


@pytest.mark.parametrize(
    "asked",
    [
        body(QUESTION, CALLED, FOUND),
        body(tool_choice="none"),
        body(tool_choice="required"),
        body(tools=[tool("other", {})]),
    ],
)
def test_an_engine_with_tools_is_not_told_twice_nor_against_the_client(
    asked: dict[str, Any],
) -> None:
    assert plan(asked, PATTERN, "engine").body == asked


def test_an_engine_with_tools_has_its_events_passed_on() -> None:
    events = [Reasoning("hm"), ToolCallDelta(0, "c", "files_search", "{}"), Finish("tool_calls")]

    assert events_of(plan(body(), PATTERN, "engine"), *events) == events


@pytest.mark.parametrize(
    ("fields", "patterns", "names"),
    [
        ({}, PATTERN, {"files_search"}),
        ({}, ("*_query",), {"databases_query"}),
        ({}, ("*",), {"files_search", "databases_query"}),
        ({"tool_choice": "required"}, (), {"files_search", "databases_query"}),
        ({"tool_choice": "required"}, PATTERN, {"files_search"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "databases_query"}}},
            PATTERN,
            {"databases_query"},
        ),
    ],
)
def test_a_call_that_must_be_made_is_held_to_a_schema(
    fields: dict[str, Any], patterns: tuple[str, ...], names: set[str]
) -> None:
    planned = plan(body(**fields), patterns, "schema")

    schema = schema_of(planned)
    offered = schema.get("anyOf", [schema])
    assert {each["properties"]["name"]["const"] for each in offered} == names
    assert not {"tools", "tool_choice"} & planned.body.keys()
    assert planned.body["temperature"] == 0


@pytest.mark.parametrize(
    ("fields", "patterns"),
    [({}, ()), ({"tool_choice": "auto"}, ("other_*",)), ({"tool_choice": "none"}, PATTERN)],
)
def test_where_no_call_must_be_made_the_answer_is_plain(
    fields: dict[str, Any], patterns: tuple[str, ...]
) -> None:
    planned = plan(body(**fields), patterns, "schema")

    assert planned.body == {"model": "m", "messages": [QUESTION], "max_tokens": 512}


@pytest.mark.parametrize("wordless", ["?? !!", "👍", "", [{"type": "image_url"}]])
def test_a_message_without_words_is_not_searched_for(wordless: Any) -> None:
    message = {"role": "user", "content": wordless}

    assert "response_format" not in plan(body(message), PATTERN, "schema").body
    required = plan(body(message, tool_choice="required", tools=TOOLS[:1]), (), "schema")
    assert [each["role"] for each in required.body["messages"]] == ["system", "user"]


def test_a_call_is_not_cut_off_by_the_client_s_own_limits() -> None:
    planned = plan(body(max_tokens=5, stop=["}"], logprobs=True), PATTERN, "schema")

    assert planned.body["max_tokens"] > 100
    assert not {"stop", "logprobs"} & planned.body.keys()


def test_a_new_question_after_an_answer_asks_for_a_new_call() -> None:
    answer = {"role": "assistant", "content": "96 euros."}
    asked = body(QUESTION, CALLED, FOUND, answer, {"role": "user", "content": "Who is the mayor?"})

    assert "response_format" in plan(asked, PATTERN, "schema").body


def test_after_a_result_the_engine_sees_the_question_and_the_fact() -> None:
    planned = plan(body(QUESTION, CALLED, FOUND), PATTERN, "schema")

    assert "response_format" not in planned.body
    last = planned.body["messages"][-1]
    assert last["role"] == "user"
    assert "How much is the dog tax?" in last["content"]
    assert "The dog tax is 96 euros." in last["content"]
    assert {message["role"] for message in planned.body["messages"]} == {"user", "assistant"}


def test_a_result_without_text_is_said_to_be_empty() -> None:
    planned = plan(body(QUESTION, CALLED, {**FOUND, "content": ""}), PATTERN, "schema")

    assert "nothing about this" in planned.body["messages"][-1]["content"]


def test_the_client_s_temperature_stays_in_a_plain_answer() -> None:
    asked = body(QUESTION, CALLED, FOUND, temperature=0.7)

    assert plan(asked, PATTERN, "schema").body["temperature"] == 0.7


def test_earlier_calls_leave_the_history_and_earlier_answers_stay() -> None:
    answer = {"role": "assistant", "content": "96 euros."}
    thanks = {"role": "user", "content": "Thank you"}

    planned = plan(body(QUESTION, CALLED, FOUND, answer, thanks), (), "schema")

    assert planned.body["messages"] == [QUESTION, answer, thanks]


def test_a_constrained_answer_becomes_one_tool_call() -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=4)
    text = '{ "name": "files_search",\n "arguments": {"query": "Hundesteuer für Zweithunde"} }'

    call, finish, last = events_of(constrained(), Text(text), Finish("stop"), usage)

    assert isinstance(call, ToolCallDelta)
    assert call.id is not None
    assert call.id.startswith("call_")
    assert (call.index, call.name) == (0, "files_search")
    assert call.arguments == '{"query":"Hundesteuer für Zweithunde"}'
    assert (finish, last) == (Finish("tool_calls"), usage)


def test_each_call_has_an_id_of_its_own() -> None:
    tools = (Tool("files_search", "", SEARCH),)
    calls = [read_call(call_text(), tools) for _ in range(20)]

    assert len({call.id for call in calls if isinstance(call, ToolCallDelta)}) == 20


def test_two_choices_become_a_call_each() -> None:
    first, second = call_text("a"), call_text("b")
    events = [Text(first[:9], 0), Text(second, 1), Text(first[9:], 0)]

    got = events_of(constrained(), *events, Finish("stop", 1), Finish("stop", 0))

    calls = [event for event in got if isinstance(event, ToolCallDelta)]
    assert [(call.choice, call.arguments) for call in calls] == [
        (1, '{"query":"b"}'),
        (0, '{"query":"a"}'),
    ]


@st.composite
def split_calls(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    query = draw(st.text(st.characters(codec="utf-8"), max_size=60))
    arguments = {"query": query}
    text = json.dumps(
        {"name": "files_search", "arguments": arguments},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 2])),
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return arguments, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(split_calls())
def test_wherever_the_stream_is_split_the_arguments_are_the_same(
    case: tuple[dict[str, Any], Sequence[str]],
) -> None:
    arguments, pieces = case

    call, finish = events_of(constrained(), *(Text(piece) for piece in pieces), Finish("stop"))

    assert isinstance(call, ToolCallDelta)
    assert json.loads(call.arguments) == arguments
    assert finish == Finish("tool_calls")


@given(st.integers(0, len(call_text()) - 1))
def test_a_call_that_is_cut_anywhere_is_a_failure(length: int) -> None:
    (failure,) = events_of(constrained(), Text(call_text()[:length]), Finish("stop"))

    assert isinstance(failure, Failure)
    assert failure.code == "invalid_tool_call"


@given(st.text(max_size=80))
def test_whatever_an_engine_writes_ends_in_a_call_or_a_failure(text: str) -> None:
    first, *_ = events_of(constrained(), Text(text), Finish("stop"))

    assert isinstance(first, Failure)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        '{"name": "rm", "arguments": {}}',
        '{"name": "files_search", "arguments": "dog tax"}',
        '{"name": "files_search", "arguments": {}}',
        '{"name": "files_search", "arguments": {"query": NaN}}',
        '{"name": "files_search", "arguments": {"query": "\\ud800"}}',
        call_text() + call_text(),
        "[" * 100_000,
    ],
)
def test_a_call_that_is_not_one_of_those_offered_is_a_failure(text: str) -> None:
    got = events_of(constrained(), Text(text), Finish("stop"))

    assert [type(event) for event in got] == [Failure]


def test_a_call_that_ran_out_of_tokens_says_so() -> None:
    (failure,) = events_of(constrained(), Text(call_text()[:9]), Finish("length"))

    assert isinstance(failure, Failure)
    assert "cut off" in failure.message


def test_the_engine_s_own_failure_is_passed_on_and_ends_the_answer() -> None:
    failed = Failure("the engine is gone")

    assert events_of(constrained(), Text("{"), failed, Finish("stop")) == [failed]


def test_an_endless_call_is_not_read_on() -> None:
    pieces = [Text(" " * 1000)] * (MAX_CALL_TEXT // 1000 + 1)

    assert events_of(constrained(), *pieces[:-1]) == []
    assert [type(event) for event in events_of(constrained(), *pieces)] == [Failure]


def test_the_schema_admits_the_call_that_it_is_made_for() -> None:
    schema = schema_of(constrained())

    validate({"name": "files_search", "arguments": {"query": "much dog tax"}}, schema)


def test_a_model_that_is_not_small_sees_the_whole_chat_and_the_whole_result() -> None:
    system = {"role": "system", "content": "You are the town's assistant."}
    planned = tool_calls.plan(body(system, QUESTION, CALLED, FOUND), PATTERN, "schema")
    texts = [message["content"] for message in planned.body["messages"]]
    assert texts[0] == system["content"]
    assert FOUND["content"] in texts[-1]
    assert {message["role"] for message in planned.body["messages"]} <= {
        "system",
        "user",
        "assistant",
    }
    assert "tools" not in planned.body
    assert "max_tokens" not in planned.body


def test_a_model_that_is_not_small_may_fill_in_every_argument_of_its_call() -> None:
    planned = tool_calls.plan(body(tool_choice="required"), (), "schema")
    schema = planned.body["response_format"]["json_schema"]["schema"]
    offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
    calls = schema.get("anyOf", [schema])
    for call in calls:
        name = call["properties"]["name"]["const"]
        arguments = call["properties"]["arguments"]["properties"]
        assert set(arguments) == set(offered[name].get("properties", {}))
        assert not any("pattern" in argument for argument in arguments.values())
    assert planned.body["messages"][-1]["content"] == QUESTION["content"]


HERMES = '<tool_call>\n{"name": "files_search", "arguments": {"query": "tax"}}\n</tool_call>'


def test_an_engine_that_leaves_calls_in_the_text_gets_the_tools_and_has_them_read() -> None:
    planned = tool_calls.plan(body(), (), "text")
    call, arguments, finish = events_of(planned, Text(HERMES), Finish("stop"))

    assert planned.body == body()
    assert isinstance(call, ToolCallDelta)
    assert call.name == "files_search"
    assert isinstance(arguments, ToolCallDelta)
    assert arguments.arguments == '{"query": "tax"}'
    assert finish == Finish("tool_calls")


@pytest.mark.parametrize(
    "asked", [body(tool_choice="none"), {key: body()[key] for key in ("model", "messages")}]
)
def test_calls_that_the_client_does_not_want_stay_text(asked: dict[str, Any]) -> None:
    events = [Text(HERMES), Finish("stop")]

    assert events_of(tool_calls.plan(asked, (), "text"), *events) == events


@pytest.mark.parametrize("mode", ["engine", "text", "schema"])
def test_arguments_that_are_no_object_end_the_answer_in_every_mode(mode: Any) -> None:
    planned = tool_calls.plan(body(), (), mode)
    got = events_of(planned, ToolCallDelta(0, "c", "files_search", "tax"), Finish("tool_calls"))

    assert isinstance(got[-1], Failure)
    assert got[-1].broken_call is not None


def test_without_tools_nothing_is_read_or_checked() -> None:
    plain = {"model": "m", "messages": [QUESTION]}

    for mode in ("engine", "schema", "text"):
        assert tool_calls.plan(plain, PATTERN, mode).stages() == []

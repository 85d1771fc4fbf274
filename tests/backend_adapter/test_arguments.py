"""Arguments are one JSON object when they leave: passed, repaired where that is safe, or refused."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.argument_repair import repair
from backend_adapter.chat.arguments import MAX_ARGUMENTS, MAX_HELD, ArgumentsCheck
from backend_adapter.chat.events import (
    BrokenCall,
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.returned_call import MAX_QUOTED, returned_to_model
from backend_adapter.chat.tool_schema import Tool

TOOLS = [
    Tool("now", "", {"type": "object", "properties": {}}),
    Tool("search", "", {"properties": {"q": {"type": "string"}}, "required": ["q"]}),
]

REPAIRED = [
    ("", "{}"),
    ("  ", "  {}"),
    ("null", "{}"),
    ('{"a": 1}', '{"a": 1}'),
    # Closing brackets.
    ('{"a": 1', '{"a": 1}'),
    ('{"a": [1, {"b": "c"', '{"a": [1, {"b": "c"}]}'),
    ('{"a": 1}}', '{"a": 1}'),
    ('{"a": [1]}]} \n', '{"a": [1]}'),
    ("{}}", "{}"),
    # Commas.
    ('{"a": 1,}', '{"a": 1}'),
    ('{"a": [1, 2, ], }', '{"a": [1, 2 ] }'),
    ('{"a": ",}"}', '{"a": ",}"}'),
    # Control characters.
    ('{"a": "x\ny\tz\x01"}', '{"a": "x\\ny\\tz\\u0001"}'),
    ('{"a": "\\"\n"}', '{"a": "\\"\\n"}'),
    # Python.
    ("{'a': True, 'b': None}", '{"a": true, "b": null}'),
    ('{"a": False, "b": \'it is "b"\'}', '{"a": false, "b": "it is \\"b\\""}'),
    ("{'a': 'it\\'s', 'b': [1, 2.5,]}", '{"a": "it\'s", "b": [1, 2.5]}'),
    ('{"True": True, "a": "None"}', '{"True": true, "a": "None"}'),
    ("{'ä': '\\u00e4'}", '{"ä": "ä"}'),
    ("{'a': 0x10}", '{"a": 16}'),
    # Wrapped.
    ('"{\\"a\\": 1}"', '{"a": 1}'),
    ('```json\n{"a": 1}\n```', '{"a": 1}'),
    ('```\n{"a": "```"}```', '{"a": "```"}'),
    ("```json\n{'a': 1,}\n```", '{"a": 1}'),
]
NOT_REPAIRED = [
    "[]",
    "1",
    "tax",
    '"tax"',
    '"\\"{}\\""',
    "{",
    '{"a"',
    '{"a":',
    '{"a": 1,',
    '{"a": [',
    '{"a": "b',
    '{"a": "b}',
    '{"a": tru',
    '{"a": 1.',
    '{"a": 1}{"b": 2}',
    '{"a": 1} and so on',
    '{"a": 1]',
    '{"a": [1}',
    '{"a" 1}',
    '{"a": 1 "b": 2}',
    '{"a": , "b": 2}',
    '{,"a": 1}',
    "{a: 1}",
    '{"a": NaN}',
    '{"a": "x\\\ny"}',
    '{"a": "\\d"}',
    '{"a": "\\ud83"}',
    "{'a': '\\d'}",
    "{'a': 'x\ny'}",
    "{'a': true, 'b': None}",
    "{'a': (1, 2)}",
    "{'a': {1, 2}}",
    "{1: 2}",
    "{'a': b'c'}",
    "{'a': 1e999}",
    "{'a': 1j}",
    "{'a': open('x')}",
    "{'a'}",
    "{" * 5_000,
    "{'a':" + "[" * 5_000 + "]" * 5_000 + "}",
]


@pytest.mark.parametrize(("text", "repaired"), REPAIRED)
def test_what_has_one_meaning_is_repaired(text: str, repaired: str) -> None:
    assert repair(text, requires_arguments=False) == repaired
    assert isinstance(json.loads(repaired), dict)


@pytest.mark.parametrize("text", NOT_REPAIRED)
def test_what_could_mean_several_things_is_not(text: str) -> None:
    assert repair(text, requires_arguments=False) is None


@pytest.mark.parametrize("text", ["", "null", "\n"])
def test_nothing_is_no_answer_where_arguments_are_required(text: str) -> None:
    assert repair(text, requires_arguments=True) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), VALUES, max_size=3)


@given(OBJECTS)
def test_any_python_dict_of_json_values_is_read(value: dict[str, object]) -> None:
    repaired = repair(repr(value), requires_arguments=False)

    assert repaired is not None
    assert json.loads(repaired) == value


@given(st.text(st.sampled_from("{}[]\"':,\\ \n\t1atrueTrueNone`é\x00"), max_size=20))
def test_a_repair_is_an_object_or_nothing(text: str) -> None:
    repaired = repair(text, requires_arguments=False)

    assert repaired is None or isinstance(json.loads(repaired), dict)


def check(*events: Event) -> list[Event]:
    """What a client gets; as for a client, a Failure is the end."""
    stage = ArgumentsCheck(TOOLS)
    got: list[Event] = []
    for event in events:
        for out in stage.feed(event):
            got.append(out)
            if isinstance(out, Failure):
                return got
    return got


def call(pieces: Iterable[str], name: str = "now", index: int = 0) -> list[Event]:
    return [
        ToolCallDelta(index, f"c{index}", name),
        *(ToolCallDelta(index, arguments=piece) for piece in pieces),
    ]


def arguments(events: Iterable[Event], index: int = 0) -> str:
    return "".join(
        event.arguments
        for event in events
        if isinstance(event, ToolCallDelta) and event.index == index
    )


DONE = Finish("tool_calls")


@given(OBJECTS, st.data())
def test_valid_arguments_pass_in_order_and_whole(
    value: dict[str, object], data: st.DataObject
) -> None:
    text = json.dumps(value, ensure_ascii=False)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    got = check(*call(pieces), DONE)

    assert arguments(got) == text
    assert got[-1] == DONE


def test_a_delta_that_can_be_right_passes_as_it_is_and_at_once() -> None:
    stage = ArgumentsCheck(TOOLS)
    list(stage.feed(ToolCallDelta(0, "c", "search")))
    delta = ToolCallDelta(0, arguments='{"q": "ta')
    (passed,) = stage.feed(delta)

    assert passed is delta


# The repairs that begin with what is sent before the fault shows.
@pytest.mark.parametrize(("text", "repaired"), REPAIRED)
def test_a_stream_is_repaired_like_the_whole(text: str, repaired: str) -> None:
    for pieces in ([text], list(text)):
        got = check(*call(pieces), DONE)
        assert json.loads(arguments(got)) == json.loads(repaired)
        assert got[-1] == DONE


@pytest.mark.parametrize("text", NOT_REPAIRED)
def test_what_cannot_be_repaired_ends_the_answer_with_the_broken_call(text: str) -> None:
    for pieces in ([text], list(text)):
        *before, failure = check(*call(pieces), DONE)

        assert isinstance(failure, Failure)
        assert failure.code == "invalid_tool_call"
        assert failure.broken_call is not None
        assert failure.broken_call.arguments == text
        assert (failure.broken_call.id, failure.broken_call.name) == ("c0", "now")
        assert text.startswith(arguments(before))


@pytest.mark.parametrize("text", ["tax", "(1)", '{"q": secret}'])
def test_a_failure_s_message_quotes_nothing_of_the_chat(text: str) -> None:
    failure = check(*call([text]), DONE)[-1]

    assert isinstance(failure, Failure)
    assert text not in failure.message
    assert "secret" not in failure.message


def test_nothing_is_sent_of_what_cannot_begin_an_object() -> None:
    *before, _ = check(*call(['tax {"a": 1}']), DONE)

    assert before == [ToolCallDelta(0, "c0", "now")]


def test_the_first_delta_brings_its_name_even_where_its_arguments_are_held() -> None:
    (first, *_) = check(ToolCallDelta(0, "c0", "now", "'"), DONE)

    assert first == ToolCallDelta(0, "c0", "now", "")


def test_a_call_ends_where_the_next_begins() -> None:
    got = check(*call(["{'a': 1}"]), *call(['{"q": 2}'], "search", 1), DONE)

    assert (arguments(got, 0), arguments(got, 1)) == ('{"a": 1}', '{"q": 2}')
    assert [event.index for event in got if isinstance(event, ToolCallDelta)] == [0, 0, 0, 1, 1]


def test_a_broken_call_before_another_is_told() -> None:
    *_, failure = check(*call(["{'a"]), *call(["{}"], "now", 1), DONE)

    assert isinstance(failure, Failure)
    assert failure.broken_call is not None
    assert failure.broken_call.index == 0


def test_a_call_cannot_go_on_after_the_next_has_begun() -> None:
    again = [ToolCallDelta(0, arguments=" "), ToolCallDelta(0, arguments="{}")]
    got = check(*call(["{}"]), *call(["{}"], "now", 1), *again, DONE)

    assert isinstance(got[-1], Failure)
    assert arguments(got, 0) == "{}"


@pytest.mark.parametrize("text", ['{"a": [1', '{"a": "b', '{"a": 1,', "{'a", '{"a', "", "{}"])
@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_call_that_was_cut_off_passes_as_it_is(text: str, reason: str) -> None:
    finish = Finish("length") if reason == "length" else Finish("content_filter")
    for pieces in ([text], list(text)):
        got = check(*call(pieces), finish)
        assert arguments(got) == text
        assert got[-1] == finish


@pytest.mark.parametrize("text", ['{"a": 0x10}', '{"a": "x" "y"}'])
def test_what_has_been_sent_is_not_taken_back_by_a_repair(text: str) -> None:
    assert repair(text, requires_arguments=False) is not None
    assert isinstance(check(*call(text), DONE)[-1], Failure)


def test_nothing_comes_after_a_failure() -> None:
    stage = ArgumentsCheck(TOOLS)
    events = [*call(["tax"]), *call(["{}"], "now", 1), Text("more"), DONE, Usage(1, 2)]
    got = [out for event in events for out in stage.feed(event)]

    assert [type(event) for event in got] == [ToolCallDelta, Failure]


def test_required_arguments_that_are_not_there_are_no_call() -> None:
    (_, failure) = check(*call([""], "search"), DONE)

    assert isinstance(failure, Failure)
    assert failure.broken_call is not None
    assert failure.broken_call.reason == "it is empty"


def test_choices_do_not_mix() -> None:
    first = [ToolCallDelta(0, "a", "now", '{"a', 0), ToolCallDelta(0, "b", "now", "{", 1)]
    rest = [ToolCallDelta(0, arguments='": 1', choice=0), ToolCallDelta(0, arguments="}", choice=1)]
    got = check(*first, *rest, Finish("stop", 1), Finish("stop", 0))

    assert got == [
        *first,
        *rest,
        Finish("stop", 1),
        ToolCallDelta(0, arguments="}", choice=0),
        Finish("stop", 0),
    ]


def test_everything_else_passes() -> None:
    events = [Text("a"), Reasoning("b"), Usage(1, 2), Finish("stop"), Failure("gone")]

    assert check(*events) == events


@pytest.mark.parametrize(
    "pieces",
    [
        ['{"a": "', *["x" * 1000] * (MAX_ARGUMENTS // 1000 + 1)],
        ["tax", *["x" * 1000] * (MAX_HELD // 1000 + 1)],
    ],
)
def test_endless_arguments_are_a_failure(pieces: list[str]) -> None:
    assert isinstance(check(*call(pieces))[-1], Failure)
    assert not any(isinstance(event, Failure) for event in check(*call(pieces[:-2])))


def test_a_broken_call_goes_back_to_the_model_as_a_tool_s_error() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "tools": [1]}
    broken = BrokenCall(0, "c0", "search", "{'q", "it ends within a string")
    again = returned_to_model(body, broken)
    question, made, answer = again["messages"]

    assert body["messages"] == [question]
    assert {key: again[key] for key in ("model", "tools")} == {"model": "m", "tools": [1]}
    assert made["role"] == "assistant"
    assert made["tool_calls"] == [
        {"id": "c0", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    ]
    assert (answer["role"], answer["tool_call_id"]) == ("tool", "c0")
    for part in ("{'q", "it ends within a string", "one valid JSON object"):
        assert part in answer["content"]


def test_only_so_much_of_a_broken_call_is_quoted() -> None:
    broken = BrokenCall(0, "c0", "search", "x" * MAX_QUOTED * 2, "it is wrong")
    answer = returned_to_model({"messages": []}, broken)["messages"][-1]

    assert answer["content"].count("x") < MAX_QUOTED + 10

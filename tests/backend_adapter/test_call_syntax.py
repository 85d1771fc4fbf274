"""Tool calls that a model writes into its text, in the syntaxes that models were taught."""

import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.call_ids import MAX_CALLS
from backend_adapter.chat.call_syntax import TextCalls
from backend_adapter.chat.call_syntax.source import MAX_HELD
from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    FinishReason,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.tool_schema import Tool

TOOLS = [Tool(name, "", {}) for name in ("get_weather", "search", "function")]
Call = tuple[str, str]


def read(*events: Event) -> list[Event]:
    reader = TextCalls(TOOLS)
    return [out for event in events for out in reader.feed(event)]


def answered(pieces: Iterable[str], reason: FinishReason = "stop") -> list[Event]:
    return read(*map(Text, pieces), Finish(reason))


def text_of(events: Iterable[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def calls_of(events: Iterable[Event]) -> list[Call]:
    found: dict[int, Call] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            name, arguments = found.get(event.index, ("", ""))
            assert (event.index in found) == (event.name is None), "a call begins once"
            found[event.index] = (event.name or name, arguments + event.arguments)
    assert list(found) == list(range(len(found)))
    return list(found.values())


def hermes(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def hermes_swapped(name: str, arguments: str) -> str:
    return f'<tool_call>{{"arguments": {arguments}, "name": "{name}"}}</tool_call>'


def deepseek_v3(name: str, arguments: str) -> str:
    return (
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n```json\n{arguments}\n```"
        "<｜tool▁call▁end｜>"
    )


def deepseek_v31(name: str, arguments: str) -> str:
    return f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{arguments}<｜tool▁call▁end｜>"


def section(calls: Sequence[str], between: str = "") -> str:
    return f"<｜tool▁calls▁begin｜>{between.join(calls)}<｜tool▁calls▁end｜>"


def several(kind: str, calls: Sequence[Call]) -> str:
    """An answer with these calls, as a model of this kind writes it."""
    if kind == "hermes":
        return "\n".join(hermes(*call) for call in calls)
    if kind == "hermes, arguments first":
        return "\n".join(hermes_swapped(*call) for call in calls)
    if kind == "deepseek v3":
        return section([deepseek_v3(*call) for call in calls], "\n")
    if kind == "deepseek v3.1":
        return section([deepseek_v31(*call) for call in calls])
    opening = "<|python_tag|>" if kind == "llama, tagged" else ""
    return opening + "; ".join(f'{{"name": "{n}", "parameters": {a}}}' for n, a in calls)


MARKED = ["hermes", "hermes, arguments first", "deepseek v3", "deepseek v3.1"]
KINDS = [*MARKED, "llama", "llama, tagged"]
NAMES = st.sampled_from(["get_weather", "search", "function"])
WORDS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["</tool_call>", "<tool_call>", "<｜tool▁call▁end｜>", "}}", "it's", 'say "}"', "```", "\\"]
)
VALUES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    st.dictionaries(WORDS, VALUES, max_size=2),
    st.booleans(),
    st.sampled_from([None, 2]),
)
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=3)


def cut(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def cut_calls(draw: st.DrawFn) -> tuple[list[Call], list[str]]:
    calls = draw(CALLS)
    return calls, cut(draw, several(draw(st.sampled_from(KINDS)), calls))


@given(cut_calls())
def test_wherever_the_stream_is_cut_the_calls_are_read(
    case: tuple[list[Call], Sequence[str]],
) -> None:
    calls, pieces = case
    events = answered(pieces)

    assert calls_of(events) == calls
    assert text_of(events) == ""
    assert events[-1] == Finish("tool_calls")


@given(CALLS, st.sampled_from(KINDS))
def test_character_by_character_it_is_the_same(calls: list[Call], kind: str) -> None:
    assert calls_of(answered(several(kind, calls))) == calls


@given(st.sampled_from(MARKED), CALLS, st.data())
def test_text_around_calls_stays_text(kind: str, calls: list[Call], data: st.DataObject) -> None:
    text = f"Let me < see:\n{several(kind, calls)}\nThat <is> it."
    events = answered(cut(data.draw, text))

    assert calls_of(events) == calls
    assert text_of(events) == "Let me < see:\n\nThat <is> it."


@given(st.sampled_from([each for each in KINDS if each != "hermes, arguments first"]))
def test_arguments_leave_as_they_arrive(kind: str) -> None:
    whole = several(kind, [("search", '{"q": "tax"}')])
    begun = whole[: whole.index("tax")]
    reader = TextCalls(TOOLS)

    assert calls_of(reader.feed(Text(begun))) == [("search", '{"q": "')]
    assert list(reader.feed(Text("tax"))) == [ToolCallDelta(0, arguments="tax")]


PIECES = st.sampled_from(
    [
        "<tool_call>",
        "</tool_call>",
        "<tool",
        "<",
        "{",
        "}",
        '"name"',
        ":",
        '"other"',
        '"arguments"',
        ",",
        "[",
        "]",
        '"',
        "\\",
        "text",
        "'",
        "null",
        "```json",
        "```",
        "<|python_tag|>",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
    ]
) | st.sampled_from(" \n")


@given(st.lists(PIECES, max_size=14))
def test_what_calls_no_offered_tool_comes_out_unchanged(pieces: list[str]) -> None:
    for parted in (pieces, "".join(pieces)):
        events = answered(parted)
        assert calls_of(events) == []
        assert text_of(events) == "".join(pieces)
        assert events[-1] == Finish("stop")


@pytest.mark.parametrize("kind", KINDS)
def test_a_tool_that_is_not_offered_is_not_called(kind: str) -> None:
    text = several(kind, [("rm", '{"path": "/"}')])
    for pieces in ([text], list(text)):
        assert (calls_of(answered(pieces)), text_of(answered(pieces))) == ([], text)


def test_of_two_calls_the_one_that_is_offered_is_made() -> None:
    text = several("hermes", [("rm", "{}"), ("search", "{}")])

    assert calls_of(answered(text)) == [("search", "{}")]
    assert text_of(answered(text)) == hermes("rm", "{}") + "\n"


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": 42}',
        '{"name": "Anna", "parameters": {"age": 3}}',
        '{"name": "search"}',
        '{"name": "search", "parameters": [1]}',
        '{"name": "search", "parameters": "tax"}',
        '{"name": "search", "year": 1999, "parameters": {}}',
        '```json\n{"answer": 42}\n```',
        "```python\nprint(1)\n```",
        "{",
        "[1, 2]",
        "{}",
        'Call it so: {"name": "search", "parameters": {}}',
        '{"items": [' + "1, " * MAX_HELD + "1]}",
        '{"type": "' + "x" * MAX_HELD * 2 + '"}',
    ],
)
def test_json_that_is_no_call_is_text(text: str) -> None:
    for pieces in ([text], [text[at : at + 3] for at in range(0, len(text), 3)]):
        events = answered(pieces)
        assert (calls_of(events), text_of(events)) == ([], text)
        assert not any(isinstance(event, Failure) for event in events)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"type": "function", "name": "search", "parameters": {"q": 1}}', '{"q": 1}'),
        ('{"name": "search", "arguments": {"q": 1}}', '{"q": 1}'),
        ('```json\n{"name": "search", "arguments": {"q": 1}}\n```', '{"q": 1}'),
        ('```\n{"name": "search", "arguments": {"q": 1}}', '{"q": 1}'),
        ('\n {"parameters": {"q": 1}, "name": "search"}\n', '{"q": 1}'),
        ('{"name": "search", "arguments": "{\\"q\\": 1}"}', '"{\\"q\\": 1}"'),
        # Brackets are missing, or there are too many.
        ('{"name": "search", "arguments": {"q": 1}', '{"q": 1}'),
        ('<tool_call>{"name": "search", "arguments": {"q": 1}</tool_call>', '{"q": 1}'),
        ('<tool_call>{"name": "search", "arguments": {"q": 1</tool_call>', '{"q": 1'),
        ('<tool_call>{"name": "search", "arguments": {"q": 1}}}\n</tool_call>', '{"q": 1}'),
        ('<tool_call>{"name": "search", "arguments": {"q": 1}}', '{"q": 1}'),
        # Arguments that are no object are the caller's to judge.
        ('<tool_call>{"name": "search", "arguments": null}</tool_call>', "null"),
        ('<tool_call>{"name": "search", "arguments": "tax"}</tool_call>', '"tax"'),
        ('<tool_call>{"name": "search"}</tool_call>', ""),
        ('<tool_call>{"id": 7, "name": "search", "arguments": {}, "x": [1]}</tool_call>', "{}"),
        ('<tool_call>{"name": "search", "arguments": {\'q\': \'}\'}}</tool_call>', "{'q': '}'}"),
        # DeepSeek without the outer marks, the type, the fence, the end, or arguments.
        (deepseek_v31("search", '{"q": 1}'), '{"q": 1}'),
        (section([deepseek_v31("search", ' {"q": 1}\n')]), '{"q": 1}'),
        (section([deepseek_v31("search", '\n```json\n{"q": 1}\n```')]), '{"q": 1}'),
        ('<｜tool▁call▁begin｜>search<｜tool▁sep｜>{"q": 1}', '{"q": 1}'),
        ('<｜tool▁call▁begin｜>search<｜tool▁sep｜>{"q": 1}}<｜tool▁call▁end｜>', '{"q": 1}}'),
        ('<｜tool▁call▁begin｜>search<｜tool▁sep｜>{"q": 1<｜tool▁call▁end｜>', '{"q": 1'),
        (section([deepseek_v3("search", "")]), ""),
        (section([deepseek_v31("search", "tax")]), "tax"),
    ],
)
def test_variants_that_models_write(text: str, arguments: str) -> None:
    for pieces in ([text], list(text)):
        events = answered(pieces)
        assert (calls_of(events), text_of(events)) == ([("search", arguments)], "")
        assert events[-1] == Finish("tool_calls")


def test_a_tool_named_like_deepseek_s_type_can_be_called_in_both_versions() -> None:
    for write in (deepseek_v3, deepseek_v31):
        assert calls_of(answered(write("function", "{}"))) == [("function", "{}")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_the_token_limit_cuts_off_gives_what_there_is(kind: str) -> None:
    whole = several(kind, [("search", '{"q": "tax"}')])
    events = answered(whole[: whole.index("tax")], "length")

    assert events[-1] == Finish("length")
    if kind == "hermes, arguments first":
        assert (calls_of(events), text_of(events)) == ([], whole[: whole.index("tax")])
    else:
        assert calls_of(events) == [("search", '{"q": "')]


def test_the_engine_s_own_calls_and_thinking_pass_and_are_counted() -> None:
    own = ToolCallDelta(0, "c", "search", "{}")
    events = read(Reasoning("hm"), own, Text(hermes("search", "{}")), Usage(1, 2), Finish("stop"))

    assert events[:2] == [Reasoning("hm"), own]
    assert [event.index for event in events if isinstance(event, ToolCallDelta)] == [0, 1, 1]


def test_text_passes_as_it_is() -> None:
    reader = TextCalls(TOOLS)
    list(reader.feed(Text("Hello")))
    piece = Text(" world {")
    (passed,) = reader.feed(piece)

    assert passed is piece


def test_what_is_held_back_comes_out_before_a_failure() -> None:
    failure = Failure("gone")

    assert read(Text("a<tool"), failure) == [Text("a"), Text("<tool"), failure]


def test_choices_do_not_mix() -> None:
    text = hermes("search", "{}")
    events = read(
        Text(text[:20], 0), Text("<b>", 1), Text(text[20:], 0), Finish("stop", 1), Finish("stop", 0)
    )

    assert [event for event in events if not isinstance(event, ToolCallDelta)] == [
        Text("<b>", 1),
        Finish("stop", 1),
        Finish("tool_calls", 0),
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        ['<tool_call>{"arguments": {"q": "', *["x" * 1000] * (MAX_HELD // 1000 + 2)],
        ["<｜tool▁call▁begin｜>search<｜tool▁sep｜>", *["x" * 1000] * (MAX_HELD // 1000 + 2)],
        [hermes("search", "{}")] * (MAX_CALLS + 1),
    ],
)
def test_what_finds_no_end_is_a_failure(pieces: list[str]) -> None:
    reader = TextCalls(TOOLS)
    events = [out for piece in pieces for out in reader.feed(Text(piece))]

    assert isinstance(events[-1], Failure)
    assert events[-1].code == "invalid_tool_call"
    for late in (Text("more"), Finish("stop"), Usage(1, 2)):
        assert list(reader.feed(late)) == []


def test_long_arguments_of_a_known_tool_are_not_held_back() -> None:
    whole = hermes("search", json.dumps({"q": "x" * MAX_HELD * 2}))
    events = answered(whole[at : at + 1000] for at in range(0, len(whole), 1000))

    ((_, arguments),) = calls_of(events)
    assert len(arguments) > MAX_HELD * 2

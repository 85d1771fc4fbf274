"""Raw harmony, held against the reference implementation (package openai_harmony)."""

import json
from collections.abc import Iterable, Sequence

import openai_harmony
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_harmony import Conversation, HarmonyEncodingName, Message, Role

from backend_adapter.chat.call_ids import MAX_CALLS
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
from backend_adapter.chat.harmony import HarmonyReader

ENCODING = openai_harmony.load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
TOKENS = (
    "<|start|>",
    "<|channel|>",
    "<|message|>",
    "<|constrain|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
)
FINAL = "<|channel|>final<|message|>"

# What an answer comes to: its parts in order, neighbours of one kind put together.
Parts = list[tuple[str, str]]


def read(*events: Event) -> list[Event]:
    reader = HarmonyReader()
    return [out for event in events for out in reader.feed(event)]


def answered(pieces: Iterable[str], reason: FinishReason = "stop", choice: int = 0) -> list[Event]:
    return read(*(Text(piece, choice) for piece in pieces), Finish(reason, choice))


def parts(events: Iterable[Event]) -> Parts:
    found: Parts = []
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.name:
                found.append((f"call {event.index} {event.name}", ""))
            kind, text = found[-1][0], event.arguments
        elif isinstance(event, Text | Reasoning):
            kind, text = type(event).__name__, event.text
        else:
            continue
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + text)
        elif text:
            found.append((kind, text))
    return found


def reference_parts(text: str) -> Parts:
    """The same, as the reference implementation reads the text."""
    tokens = ENCODING.encode(text, allowed_special="all")
    found: Parts = []
    calls = 0
    for message in ENCODING.parse_messages_from_completion_tokens(tokens, Role.ASSISTANT):
        said = "".join(part.text for part in message.content)
        recipient = message.recipient or ""
        if recipient.startswith("functions."):
            found.append((f"call {calls} {recipient.removeprefix('functions.')}", said))
            calls += 1
            continue
        shown = message.channel in ("final", "commentary") and not recipient
        kind = "Text" if shown else "Reasoning"
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + said)
        elif said:
            found.append((kind, said))
    return found


WORDS = st.text(st.characters(codec="utf-8"), max_size=30).filter(
    lambda text: not any(token in text for token in TOKENS)
)
CALLS = st.builds(
    lambda name, value: (
        Message.from_role_and_content(Role.ASSISTANT, json.dumps(value, ensure_ascii=False))
        .with_channel("commentary")
        .with_recipient(f"functions.{name}")
        .with_content_type("<|constrain|>json")
    ),
    st.sampled_from(["files_search", "a-b", "get_weather"]),
    st.dictionaries(st.text(max_size=5), WORDS, max_size=2),
)
SAID = st.builds(
    lambda channel, text: Message.from_role_and_content(Role.ASSISTANT, text).with_channel(channel),
    st.sampled_from(["analysis", "commentary", "final"]),
    WORDS,
)
OWN_TOOLS = st.builds(
    lambda text: (
        Message.from_role_and_content(Role.ASSISTANT, text)
        .with_channel("analysis")
        .with_recipient("python")
        .with_content_type("code")
    ),
    WORDS,
)


@st.composite
def completions(draw: st.DrawFn) -> str:
    """What a model writes: the rendering of a conversation after the prompt's `<|start|>assistant`."""
    messages = draw(st.lists(st.one_of(SAID, CALLS, OWN_TOOLS), min_size=1, max_size=4))
    first = draw(SAID)
    # Rendered one by one: as a history, the reference would leave old thinking out.
    text = "".join(ENCODING.decode_utf8(ENCODING.render(each)) for each in [first, *messages])
    text = text.removeprefix("<|start|>assistant")
    if text.endswith("<|call|>"):
        return text.removesuffix("<|call|>") + draw(st.sampled_from(["", "<|call|>"]))
    return text.removesuffix("<|end|>") + draw(st.sampled_from(["", "<|end|>", "<|return|>"]))


def cut(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def cut_completions(draw: st.DrawFn) -> list[str]:
    return cut(draw, draw(completions()))


@given(cut_completions())
def test_wherever_the_stream_is_cut_it_is_read_as_the_reference_reads_it(
    pieces: Sequence[str],
) -> None:
    assert parts(answered(pieces)) == reference_parts("".join(pieces))


@given(completions())
def test_character_by_character_it_is_the_same(text: str) -> None:
    assert parts(answered(text)) == parts(answered([text]))


def test_a_rendered_conversation_is_read_back() -> None:
    said = [
        ("analysis", "The user wants the weather."),
        ("commentary", "Let me look."),
        ("final", "It rains."),
    ]
    messages = [
        Message.from_role_and_content(Role.ASSISTANT, text).with_channel(channel)
        for channel, text in said
    ]
    conversation = Conversation.from_messages(messages[1:])
    text = (
        "<|channel|>analysis<|message|>The user wants the weather.<|end|>"
        + ENCODING.decode_utf8(ENCODING.render_conversation(conversation))
    )

    assert parts(answered(text)) == [
        ("Reasoning", "The user wants the weather."),
        ("Text", "Let me look.It rains."),
    ]


CALL = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"a":1}<|call|>'


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        '<|channel|>commentary to=functions.f<|constrain|>json<|message|>{"a":1}<|call|>',
        '<|channel|>commentary to=functions.f<|message|>{"a":1}',
        '<|channel|>analysis to=functions.f code<|message|>{"a":1}<|call|>',
        '<|start|>assistant to=functions.f<|channel|>commentary json<|message|>{"a":1}<|call|>',
        '<|start|>assistant<|channel|>commentary to=functions.f json<|message|>{"a":1}<|call|>',
        '<|channel|>commentary to=f<|message|>{"a":1}<|call|>',
        f"\n {CALL}",
    ],
)
def test_wherever_the_recipient_stands_it_makes_a_call(text: str) -> None:
    events = answered(text)

    assert parts(events) == [("call 0 f", '{"a":1}')]
    assert events[-1] == Finish("tool_calls")
    assert isinstance(events[0], ToolCallDelta)
    assert events[0].id


def test_arguments_leave_as_they_arrive() -> None:
    reader = HarmonyReader()
    list(reader.feed(Text("<|channel|>commentary to=functions.f<|message|>")))

    assert list(reader.feed(Text('{"a":'))) == [ToolCallDelta(0, arguments='{"a":')]
    assert list(reader.feed(Text("1}"))) == [ToolCallDelta(0, arguments="1}")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The end or the start token is left out, or text stands where none belongs.
        (
            "<|channel|>analysis<|message|>a<|start|>assistant" + FINAL + "b",
            [("Reasoning", "a"), ("Text", "b")],
        ),
        ("<|channel|>analysis<|message|>a" + FINAL + "b", [("Reasoning", "a"), ("Text", "b")]),
        (
            "<|channel|>analysis<|message|>a<|end|>" + FINAL + "b",
            [("Reasoning", "a"), ("Text", "b")],
        ),
        (
            "<|channel|>analysis<|message|>a<|end|>assistant" + FINAL + "b",
            [("Reasoning", "a"), ("Text", "b")],
        ),
        (FINAL + "a<|end|>\n<|start|>assistant" + FINAL + "b<|return|>", [("Text", "ab")]),
        (FINAL + "a<|end|> and b", [("Text", "a and b")]),
        (FINAL + "a<|end|>" + "b" * 3000, [("Text", "a" + "b" * 3000)]),
        ("<|channel|>final <|constrain|>json<|message|>{}<|return|>", [("Text", "{}")]),
        ("<|channel|>commentary to=browser.open<|message|>{}<|call|>", [("Reasoning", "{}")]),
        (FINAL + "<|constrain|>a<|message|>", [("Text", "a")]),
        # What ends inside a message or a header.
        (FINAL + "a < b <", [("Text", "a < b <")]),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|chan", [("Reasoning", "a")]),
        ("<|channel|>analysis", []),
        ("<|channel|>", []),
        # What is not harmony.
        (
            "The token <|channel|>final<|message|> opens",
            [("Text", "The token <|channel|>final<|message|> opens")],
        ),
        ("<|channel|> is a token", [("Text", "<|channel|> is a token")]),
        ("<|start|>user<|message|>", [("Text", "<|start|>user<|message|>")]),
        ("<|channel|>final " + "x" * 2000, [("Text", "<|channel|>final " + "x" * 2000)]),
        ("<|cha", [("Text", "<|cha")]),
        ("<think>a</think>b", [("Text", "<think>a</think>b")]),
        (" " * 65 + FINAL, [("Text", " " * 65 + FINAL)]),
        ("", []),
    ],
)
def test_irregular_answers(text: str, expected: Parts) -> None:
    for pieces in ([text], list(text)):
        events = answered(pieces)
        assert parts(events) == expected
        assert events[-1] == Finish("stop")


@given(
    st.lists(
        st.sampled_from([*TOKENS, "assistant", "final", "x", " to=functions.f", "<|"]), max_size=12
    )
)
def test_no_special_token_reaches_the_client_once_a_message_has_begun(pieces: list[str]) -> None:
    for _, text in parts(answered([FINAL, *pieces])):
        assert not any(token in text for token in TOKENS)


@pytest.mark.parametrize(("reason", "told"), [("stop", "tool_calls"), ("length", "length")])
def test_the_finish_reason_tells_of_a_call_only_when_the_answer_is_complete(
    reason: FinishReason, told: FinishReason
) -> None:
    assert answered([CALL], reason)[-1] == Finish(told)


def test_a_cut_off_call_gives_what_there_is() -> None:
    text = '<|channel|>commentary to=functions.f<|message|>{"a'

    assert parts(answered([text], "length")) == [("call 0 f", '{"a')]


def test_several_calls_have_their_own_numbers_and_ids() -> None:
    events = answered([CALL, "<|start|>assistant" + CALL])
    named = [event for event in events if isinstance(event, ToolCallDelta) and event.name]

    assert [event.index for event in named] == [0, 1]
    assert len({event.id for event in named}) == 2


def test_a_model_that_never_stops_calling_is_a_failure() -> None:
    for pieces in (["<|start|>assistant" + CALL] * (MAX_CALLS + 1), [CALL * (MAX_CALLS + 2)]):
        *before, failure = answered(pieces)

        assert isinstance(failure, Failure)
        assert not any(isinstance(event, Failure) for event in before)


def test_choices_do_not_mix() -> None:
    events = read(
        Text("<|channel|>ana", 0),
        Text("plain", 1),
        Text("lysis<|message|>a<|end|>", 0),
        Text(FINAL, 1),
        Finish("stop", 0),
        Finish("stop", 1),
        Usage(1, 2),
    )

    assert events == [
        Text("plain", 1),
        Reasoning("a", 0),
        Text(FINAL, 1),
        Finish("stop", 0),
        Finish("stop", 1),
        Usage(1, 2),
    ]


def test_what_is_held_back_comes_out_before_another_event() -> None:
    call = ToolCallDelta(0, "c", "f", "{}")

    assert read(Text("<|cha"), call, Text(FINAL)) == [Text("<|cha"), call, Text(FINAL)]
    assert read(Text(FINAL + "a<|en"), Failure("gone")) == [
        Text("a"),
        Text("<|en"),
        Failure("gone"),
    ]


def test_an_engine_that_reads_harmony_itself_but_for_its_last_message() -> None:
    events = read(Reasoning("a"), Text(FINAL + "b"), Finish("stop"))

    assert parts(events) == [("Reasoning", "a"), ("Text", "b")]

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.reasoning import ReasoningSplitter, reasoning_stages
from backend_adapter.chat.stages import Stages


def split(*events: Event, starts_open: bool = False) -> list[Event]:
    stage = ReasoningSplitter(starts_open=starts_open)
    return [out for event in events for out in stage.feed(event)]


def joined(events: Iterable[Event], kind: type[Text] | type[Reasoning]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


@pytest.mark.parametrize(
    ("answer", "thought", "text"),
    [
        ("<think>why</think>because", "why", "because"),
        ("<think>\nwhy\n</think>\n\nbecause", "\nwhy\n", "\n\nbecause"),
        ("\n <think>why</think>because", "\n why", "because"),
        ("<think></think>because", "", "because"),
        ("<think>never closed </thin", "never closed </thin", ""),
        ("<think>a<think>b</think>c</think>d", "a<think>b", "c</think>d"),
        ("The tag <think> opens </think> thinking", "", "The tag <think> opens </think> thinking"),
        ("<thin", "", "<thin"),
        ("<thinking>", "", "<thinking>"),
        ("  ", "", "  "),
        ("\n" * 65 + "<think>x", "", "\n" * 65 + "<think>x"),
        ("", "", ""),
    ],
)
def test_only_a_tag_at_the_beginning_opens_thinking(answer: str, thought: str, text: str):
    events = split(Text(answer), Finish("stop"))
    assert (joined(events, Reasoning), joined(events, Text)) == (thought, text)
    assert events[-1] == Finish("stop")


@pytest.mark.parametrize(
    ("answer", "thought", "text"),
    [
        ("why</think>because", "why", "because"),
        ("<think>why</think>because", "why", "because"),
        ("\n<think>why</think>because", "\nwhy", "because"),
        ("<thi", "<thi", ""),
        ("</think>because", "", "because"),
    ],
)
def test_a_model_whose_template_opens_the_tag_begins_with_thinking(
    answer: str, thought: str, text: str
):
    events = split(Text(answer), Finish("stop"), starts_open=True)
    assert (joined(events, Reasoning), joined(events, Text)) == (thought, text)


FRAGMENTS = st.sampled_from(
    ["<think>", "</think>", "<", "</", "think>", " ", "\n", "ä", "word", "🏛"]
)
ANSWERS = st.lists(FRAGMENTS, max_size=12).map("".join)


@given(ANSWERS, st.booleans(), st.data())
def test_the_result_does_not_depend_on_how_the_text_is_cut(
    answer: str, starts_open: bool, data: st.DataObject
):
    whole = split(Text(answer), Finish("stop"), starts_open=starts_open)
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=8).map(sorted))
    ends = [*cuts, len(answer)]
    pieces = [Text(answer[start:end]) for start, end in zip([0, *cuts], ends, strict=True)]
    parted = split(*pieces, Finish("stop"), starts_open=starts_open)
    for kind in (Reasoning, Text):
        assert joined(parted, kind) == joined(whole, kind)


@given(ANSWERS, st.booleans())
def test_nothing_is_lost_but_the_tags(answer: str, starts_open: bool):
    events = split(*map(Text, answer), Finish("stop"), starts_open=starts_open)
    thought, text = joined(events, Reasoning), joined(events, Text)
    opened = answer.lstrip().startswith("<think>")
    if not opened and not starts_open:
        assert (thought, text) == ("", answer)
        return
    inside = answer.replace("<think>", "", 1) if opened else answer
    assert (thought, text) == tuple(inside.partition("</think>")[::2])


@given(ANSWERS)
def test_thinking_comes_before_text(answer: str):
    kinds = [type(event) for event in split(*map(Text, answer), Failure("broken"))][:-1]
    assert kinds == sorted(kinds, key=lambda kind: kind is Text)


def test_text_is_held_back_only_while_it_may_be_a_tag():
    events = split(Text("<th"), Text("ree> more"), Text(" and"), Finish("stop"))
    assert events == [Text("<three> more"), Text(" and"), Finish("stop")]


def test_an_engine_that_separates_thinking_itself_is_left_alone():
    events = [Reasoning("why"), Text("<think> is a tag"), Finish("stop"), Usage(1, 2)]
    assert split(*events) == events
    assert split(*events, starts_open=True) == events


def test_what_is_held_back_comes_out_before_a_tool_call_and_before_a_failure():
    call = ToolCallDelta(0, "call_1", "search", "{}")
    assert split(Text("<thi"), call) == [Text("<thi"), call]
    failure = Failure("broken")
    assert split(Text("<think>why</"), failure) == [
        Reasoning("why"),
        Reasoning("</"),
        failure,
    ]


def test_choices_do_not_mix():
    events = split(Text("<think>a", 0), Text("b", 1), Text("</think>c", 0), Text("</think>", 1))
    assert events == [Reasoning("a", 0), Text("b", 1), Text("c", 0), Text("</think>", 1)]


def test_once_the_text_has_begun_events_pass_as_they_are():
    stage = ReasoningSplitter()
    list(stage.feed(Text("<think>why</think>because")))
    piece = Text("</think> <think>")
    (passed,) = stage.feed(piece)
    assert passed is piece


@pytest.mark.parametrize(
    ("answer", "starts_open"),
    [
        ("<think>why</think>because", False),
        ("why</think>because", True),
        (
            "<|channel|>analysis<|message|>why<|end|><|start|>assistant<|channel|>final<|message|>because",
            False,
        ),
        (
            "<|channel|>analysis<|message|>why<|end|><|channel|>final<|message|>because<|return|>",
            True,
        ),
    ],
)
def test_tags_and_harmony_look_the_same_after_the_stages(answer: str, starts_open: bool):
    stages = Stages(reasoning_stages(starts_open=starts_open))
    events = [out for char in answer for out in stages.feed(Text(char))]
    events += stages.feed(Finish("stop"))
    assert (joined(events, Reasoning), joined(events, Text)) == ("why", "because")
    assert events[-1] == Finish("stop")

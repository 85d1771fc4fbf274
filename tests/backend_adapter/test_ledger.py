"""However another replica repeats what the client has, nothing reaches the client twice and nothing is missing."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.events import Event, Finish, Reasoning, Text, ToolCallDelta, Usage
from backend_adapter.chat.ledger import Joiner, Ledger, Start, safe_end
from backend_adapter.chat.said_again import MismatchError
from benchmarks.faults.model import PROSE, tokenize

REASONING = "Er fragt nach der Straße 🎉; nachsehen."
TEXT = "Gerne, ich  suche\n\ndas „Rathaus“ in Köln."
ARGUMENTS = '{"query": "das \\"Rathaus\\" 🏛", "days": 3, "deep": true}'


def pieces(text: str, cuts: Sequence[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


def answer(cuts: Sequence[int], call_id: str = "call_1") -> list[Event]:
    """The whole answer in some pieces."""
    return [
        *(Reasoning(piece) for piece in pieces(REASONING, cuts)),
        *(Text(piece) for piece in pieces(TEXT, cuts)),
        ToolCallDelta(0, call_id, "look_up"),
        *(ToolCallDelta(0, arguments=piece) for piece in pieces(ARGUMENTS, cuts)),
        Finish("tool_calls"),
        Usage(7, 40),
    ]


def said(events: Sequence[Event]) -> tuple[str, str, str, int]:
    """What a client has in the end, and how many calls it thinks were begun."""
    ledger = Ledger()
    ledger.add(events)
    arguments = "".join(call.arguments.text() for call in ledger.calls.values())
    begun = sum(isinstance(each, ToolCallDelta) and each.name is not None for each in events)
    return ledger.reasoning.text(), ledger.text.text(), arguments, begun


CUTS = st.lists(st.integers(0, 60), max_size=12)


@given(CUTS, CUTS, st.integers(0, 60))
def test_an_answer_told_anew_joins_without_a_seam(first: list[int], second: list[int], at: int):
    events = answer(first)
    had = events[: min(at, len(events) - 2)]
    ledger = Ledger()
    ledger.add(had)
    new = Joiner(ledger, Start()).feed(answer(second, "call_2"))
    assert said([*had, *new]) == (REASONING, TEXT, ARGUMENTS, 1)
    assert new[-2:] == [Finish("tool_calls"), Usage(7, 40)]


@given(CUTS, CUTS, st.integers(1, len(TEXT)), st.data())
def test_an_answer_gone_on_with_from_within_its_text_joins_without_a_seam(
    first: list[int], second: list[int], length: int, data: st.DataObject
):
    had: list[Event] = [Text(piece) for piece in pieces(TEXT[:length], first)]
    start = data.draw(st.integers(0, length))
    ledger = Ledger()
    ledger.add(had)
    again = [Text(piece) for piece in pieces(TEXT[start:], second)]
    new = Joiner(ledger, Start(text=start)).feed([*again, Finish("stop")])
    assert said([*had, *new])[1] == TEXT


@given(CUTS, CUTS, st.integers(1, len(ARGUMENTS)))
def test_arguments_that_are_gone_on_with_join_without_a_seam(
    first: list[int], second: list[int], length: int
):
    had: list[Event] = [
        Text(TEXT),
        ToolCallDelta(0, "call_1", "look_up"),
        *(ToolCallDelta(0, arguments=piece) for piece in pieces(ARGUMENTS[:length], first)),
    ]
    ledger = Ledger()
    ledger.add(had)
    rest: list[Event] = [
        ToolCallDelta(0, arguments=piece) for piece in pieces(ARGUMENTS[length:], second)
    ]
    start = Start(0, len(TEXT), length)
    new = Joiner(ledger, start).feed([*rest, Finish("tool_calls")])
    assert said([*had, *new]) == ("", TEXT, ARGUMENTS, 1)


@given(CUTS, st.integers(0, len(TEXT) - 1), st.sampled_from("xß🎉"))
def test_another_text_is_noticed_before_any_of_it_is_shown(cuts: list[int], at: int, other: str):
    ledger = Ledger()
    ledger.add([Text(TEXT)])
    joiner = Joiner(ledger, Start())
    shown: list[Event] = []
    different = TEXT[:at] + other + TEXT[at + 1 :] + " and on"
    if different.startswith(TEXT) or TEXT[at].isspace():
        return
    with pytest.raises(MismatchError):
        for piece in pieces(different, cuts):
            shown += joiner.feed([Text(piece)])
    assert shown == []


@pytest.mark.parametrize(
    "again",
    [
        [Text("Hel"), Finish("stop")],
        [Finish("stop")],
        [ToolCallDelta(0, "c", "f")],
        [Reasoning("hm")],
    ],
    ids=["shorter", "nothing", "a call instead", "thinking instead"],
)
def test_what_leaves_out_what_was_said_is_no_way_on(again: list[Event]):
    ledger = Ledger()
    ledger.add([Text("Hello")])
    with pytest.raises(MismatchError):
        Joiner(ledger, Start()).feed(again)


def test_another_tool_is_no_way_on():
    ledger = Ledger()
    ledger.add([ToolCallDelta(0, "c", "look_up", '{"a"')])
    with pytest.raises(MismatchError):
        Joiner(ledger, Start()).feed([ToolCallDelta(0, "d", "delete", '{"a"')])


@pytest.mark.parametrize(
    ("events", "phase"),
    [
        ([], "nothing"),
        ([Reasoning("a")], "reasoning"),
        ([Reasoning("a"), Text("b")], "text"),
        ([Text("b"), ToolCallDelta(0, "c", "f")], "call"),
        ([Text("b"), Finish("stop")], "finished"),
    ],
)
def test_the_ledger_knows_how_far_an_answer_has_come(events: list[Event], phase: str):
    ledger = Ledger()
    ledger.add(events)
    assert ledger.phase == phase


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [
        ('{"a": 1}', True),
        ("{}", True),
        ('{"a": 1', False),
        ("", False),
        ("[1]", False),
        ("1", False),
    ],
)
def test_a_call_is_whole_when_its_arguments_are_an_object(arguments: str, whole: bool):
    ledger = Ledger()
    ledger.add([ToolCallDelta(0, "c", "f", arguments)])
    assert ledger.whole_call() is whole


@given(st.lists(st.text(max_size=5), max_size=900))
def test_a_long_text_is_kept_whole(texts: list[str]):
    ledger = Ledger()
    ledger.add([Text(text) for text in texts])
    assert ledger.text.text() == "".join(texts)
    assert ledger.pieces == len(texts)


@given(st.integers(1, len(PROSE.positions) - 1))
def test_a_text_is_cut_where_its_tokens_are_those_that_were_generated(length: int):
    """Held against a tokenizer that cuts words from the spaces before them, as GPT-2's does."""
    tokens = [position[0] for position in PROSE.positions[:-1]]
    text = b"".join(tokens[:length]).decode(errors="ignore")
    end = safe_end(text)
    kept = tokenize(text[:end])
    assert kept == tokens[: len(kept)]
    assert len(text) - end < 64


def test_a_text_without_a_boundary_is_not_cut_short_for_ever():
    assert safe_end("x" * 1000) == 1000
    assert safe_end("short") == 0
    assert safe_end("two words") == 3

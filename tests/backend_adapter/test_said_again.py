"""What is said again is told from what is new, however an engine sets white space."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.events import Event, Finish, Reasoning, Text, ToolCallDelta
from backend_adapter.chat.ledger import Joiner, Ledger, Start
from backend_adapter.chat.said_again import MismatchError, SaidJson, SaidText

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), VALUES)
FORMS: Sequence[dict[str, Any]] = [
    {},
    {"separators": (",", ":")},
    {"indent": 2},
    {"separators": (" , ", " : ")},
]


def pieces(data: st.DataObject, text: str) -> list[str]:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@given(OBJECTS, st.sampled_from(FORMS), st.sampled_from(FORMS), st.data())
def test_arguments_go_on_in_whatever_form_they_began(
    value: dict[str, Any], one: dict[str, Any], other: dict[str, Any], data: st.DataObject
):
    whole = json.dumps(value, ensure_ascii=False, **one)
    begun = whole[: data.draw(st.integers(0, len(whole)))]
    again = json.dumps(value, ensure_ascii=False, **other)
    said = SaidJson(begun, 0)
    rest = "".join(said.beyond(piece) for piece in pieces(data, again))
    assert json.loads(begun + rest) == value
    assert said.all_but_space
    if one == other:
        assert begun + rest == whole
        assert said.all_again


@given(OBJECTS, OBJECTS, st.data())
def test_other_arguments_are_noticed(
    value: dict[str, Any], other: dict[str, Any], data: st.DataObject
):
    """Either they begin alike, or it is a mismatch: what comes out is never half of each."""
    begun = json.dumps(value)[: data.draw(st.integers(0, len(json.dumps(value))))]
    said = SaidJson(begun, 0)
    try:
        rest = "".join(said.beyond(piece) for piece in pieces(data, json.dumps(other)))
    except MismatchError:
        return
    if said.all_again:
        assert json.loads(begun + rest) == other


def test_white_space_within_a_string_counts():
    with pytest.raises(MismatchError):
        SaidJson('{"a": "b  c', 0).beyond('{"a": "b c"}')


@given(st.text(), st.text(), st.data())
def test_a_text_goes_on_without_a_character_twice(begun: str, rest: str, data: st.DataObject):
    said = SaidText(begun, 0)
    whole = begun + rest
    if begun and not begun[0].isspace():
        whole = data.draw(st.sampled_from(["", "\n", " \n\n"])) + whole
    assert "".join(said.beyond(piece) for piece in pieces(data, whole)) == rest or not begun
    assert said.all_again


SPACE_AROUND_A_CALL = [
    ([Text("\n\n"), ToolCallDelta(0, "a", "f", '{"x"')], []),
    (
        [Reasoning("Hm."), Text("Look.\n"), ToolCallDelta(0, "a", "f", '{"x"')],
        [Reasoning("Hm.\n"), Text("\n\nLook.")],
    ),
    ([Reasoning("Hm.\n"), ToolCallDelta(0, "a", "f", "")], [Reasoning("Hm."), Text("\n")]),
]


@pytest.mark.parametrize(("before", "again"), SPACE_AROUND_A_CALL)
def test_white_space_around_a_call_is_nobodys_mismatch(before: list[Event], again: list[Event]):
    ledger = Ledger()
    ledger.add(before)
    joiner = Joiner(ledger, Start())
    new = joiner.feed([*again, ToolCallDelta(0, "b", "f", '{"x": 1}'), Finish("tool_calls")])
    ledger.add(new)
    assert json.loads(ledger.calls[0].arguments.text()) == {"x": 1}
    assert [type(event) for event in new] == [ToolCallDelta, Finish]


@pytest.mark.parametrize(
    "again",
    [
        [Finish("stop")],
        [Text("Loo"), Finish("stop")],
        [Text("Look."), Finish("stop")],
        [Text("Look."), ToolCallDelta(0, "b", "g", "{}")],
        [Text("Look."), ToolCallDelta(0, "b", "f", '{"y": 1}')],
        [Text("Look."), ToolCallDelta(0, "b", "f", '{"x"'), Text("more")],
        [ToolCallDelta(0, "b", "f", '{"x": 1, "y": 2}')],
        [Text("Look."), ToolCallDelta(1, "b", "f", "{}")],
    ],
)
def test_whatever_else_is_missing_or_different_is_a_mismatch(again: list[Event]):
    ledger = Ledger()
    ledger.add([Text("Look."), ToolCallDelta(0, "a", "f", '{"x": 1')])
    joiner = Joiner(ledger, Start())
    with pytest.raises(MismatchError):
        joiner.feed(again)

"""No labelled value is in what leaves, wherever it stands in a request, and an answer speaks of it again."""

import base64
import html
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.events import Event, Finish, Reasoning, Text, ToolCallDelta, Usage
from backend_adapter.egress.guard import Together
from backend_adapter.egress.incoming import Restored
from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.known.skeleton import compact, words
from backend_adapter.egress.outgoing import OpaqueError, left_over, replace
from backend_adapter.egress.pseudonyms import Pseudonyms
from backend_adapter.egress.restore import Restorable

KEY = b"k" * 32
NAME = "Jörg Weißmüller"
DICTIONARY = Dictionary([Value("person", NAME), Value("iban", "DE89370400440532013000")])


def sent(value: Any) -> tuple[Any, Pseudonyms]:
    pseudonyms = Pseudonyms(KEY, "chat")
    return replace(value, Together([DICTIONARY]), pseudonyms).value, pseudonyms


def restored(values: Mapping[str, str]) -> Restored:
    """The step of an answer all of whose tools run on site."""
    return Restored(
        Restorable(values), site_tool=lambda _: True, leaving_call=lambda _, arguments: arguments
    )


def inside_json(text: str) -> str:
    return json.dumps({"rows": [{"name": text}]})


PLACES: dict[str, Any] = {
    "message": {"messages": [{"role": "user", "content": f"Who is {NAME}?"}]},
    "part": {"messages": [{"role": "user", "content": [{"type": "text", "text": NAME}]}]},
    "system": {"messages": [{"role": "system", "content": f"You help {NAME}."}]},
    "name": {"messages": [{"role": "user", "name": "joerg_weissmueller", "content": "Hi"}]},
    "tool result": {"messages": [{"role": "tool", "content": inside_json(NAME)}]},
    "json in json": {"messages": [{"role": "tool", "content": inside_json(inside_json(NAME))}]},
    "arguments": {
        "messages": [{"tool_calls": [{"function": {"name": "f", "arguments": inside_json(NAME)}}]}]
    },
    "tool": {"tools": [{"function": {"name": "f", "description": f"Asks {NAME}."}}]},
    "enum": {"tools": [{"function": {"parameters": {"properties": {"a": {"enum": [NAME]}}}}}]},
    "key": {"tools": [{"function": {"parameters": {"properties": {NAME: {}}}}}]},
    "json with one key twice": {"prompt": f'{{"a": "{NAME}", "a": "x"}}'},
    "html": {"prompt": f"<b>{html.escape(NAME)}</b> J&ouml;rg Wei&szlig;m&uuml;ller"},
    "escapes": {"prompt": f"The row is {json.dumps(NAME)}."},
    "address": {"prompt": f"https://town.example/?who={quote(NAME)}"},
    "base64": {
        "messages": [
            {"content": "data:text/plain;base64," + base64.b64encode(NAME.encode()).decode()}
        ]
    },
    "stop": {"stop": [NAME]},
}


@pytest.mark.parametrize("body", PLACES.values(), ids=PLACES.keys())
def test_wherever_it_stands_it_does_not_leave(body: Any) -> None:
    left, pseudonyms = sent(body)

    assert len(pseudonyms.values) == 1
    assert left_over(left, DICTIONARY, pseudonyms) == 0
    raw = msgspec.json.encode(left).decode()
    assert "weissmuller" not in compact(words(raw))
    [pseudonym] = pseudonyms.values
    assert pseudonym in raw or base64.b64encode(pseudonym.encode()).decode()[:8] in raw


def test_what_says_nothing_that_has_to_go_stays_as_it_was_written() -> None:
    body = {
        "model": NAME,
        "messages": [
            {"role": "user", "content": '{"a":  "\\u00e4", "b": 1.0}'},
            {"role": "user", "content": "5 &lt; 6, 100 %41"},
            {"role": "user", "content": "data:text/plain;base64,SGk="},
            {"role": "user", "content": "data: see below, as data:image/png;base64,iVBO..."},
        ],
        "temperature": 0.7,
        "stream": True,
        "seed": 12,
    }
    left, pseudonyms = sent(body)
    assert left == body
    assert pseudonyms.values == {}


def test_a_number_that_is_a_value_is_none_any_more() -> None:
    dictionary, pseudonyms = Dictionary([Value("code", "4711")]), Pseudonyms(KEY, "chat")
    row = json.dumps({"a": 4711, "b": 47110, "c": True, "4711": 1})
    body = {"max_tokens": 4711, "logit_bias": {"4711": -100}, "prompt": [4711, 1]}
    left = replace(
        {**body, "messages": [{"content": row}]}, Together([dictionary]), pseudonyms
    ).value
    [pseudonym] = pseudonyms.values
    content = json.loads(left.pop("messages")[0]["content"])
    assert content == {"a": pseudonym, "b": 47110, "c": True, pseudonym: 1}
    # Parameters are no values.
    assert left == body


def test_a_key_of_the_protocol_is_none_in_what_a_tool_has_returned() -> None:
    dictionary = Dictionary([Value("code", "K-2024/00817"), Value("person", NAME)])
    pseudonyms = Pseudonyms(KEY, "chat")
    row = json.dumps({"id": "K-2024/00817", "type": NAME, "name": NAME})
    left = replace(
        {"messages": [{"role": "tool", "content": row}]}, Together([dictionary]), pseudonyms
    ).value
    assert left_over(left, dictionary, pseudonyms) == 0
    by_value = {value: name for name, value in pseudonyms.values.items()}
    assert json.loads(left["messages"][0]["content"]) == {
        "id": by_value["K-2024/00817"],
        "type": by_value[NAME],
        "name": by_value[NAME],
    }


def test_a_request_that_is_nested_without_end_is_refused() -> None:
    value: Any = NAME
    for _ in range(100):
        value = [value]
    with pytest.raises(OpaqueError):
        sent(value)


@pytest.mark.parametrize(
    "text",
    [
        "data:text/plain;base64,!!",
        "data:text/plain;charset=utf-16;base64," + base64.b64encode(NAME.encode("utf-16")).decode(),
        "data:text/plain;base64," + base64.b64encode(NAME.encode("latin-1")).decode(),
        "data:application/pdf;base64," + base64.b64encode(b"%PDF").decode(),
        "DATA:image/png;base64,iVBORw0KGgo=",
        f"![x](data:image/png;base64,{'A' * 80})",
    ],
)
def test_a_file_that_is_no_text_is_refused_wherever_it_stands(text: str) -> None:
    for body in ({"messages": [{"content": text}]}, {"messages": [{"content": inside_json(text)}]}):
        with pytest.raises(OpaqueError):
            sent(body)


def told(events: list[Event]) -> tuple[str, str, str]:
    return (
        "".join(each.text for each in events if isinstance(each, Reasoning)),
        "".join(each.text for each in events if isinstance(each, Text)),
        "".join(each.arguments for each in events if isinstance(each, ToolCallDelta)),
    )


def answered(said: tuple[str, str, str], values: dict[str, str], cut: int) -> list[Event]:
    """An answer of thinking, text and a call in pieces of so many characters."""
    reasoning, text, arguments = said
    events: list[Event] = [Reasoning(reasoning[n : n + cut]) for n in range(0, len(reasoning), cut)]
    events += [Text(text[n : n + cut]) for n in range(0, len(text), cut)]
    events.append(ToolCallDelta(0, "id", "f"))
    events += [
        ToolCallDelta(0, arguments=arguments[n : n + cut]) for n in range(0, len(arguments), cut)
    ]
    stage = restored(values)
    return [out for each in [*events, Finish("stop"), Usage(1, 1)] for out in stage.feed(each)]


WORDS = st.text('abcdefghijklmnopqrstuvwxyzäöüß ABC.,:\n"\\{}[]0123456789', max_size=30)
SURROUNDINGS = st.lists(st.one_of(st.just(f" {NAME} "), st.just(f" {NAME}s "), WORDS), max_size=6)


@given(SURROUNDINGS.map("".join), st.integers(1, 12))
def test_what_a_model_says_again_comes_back_as_it_was(text: str, cut: int) -> None:
    body = {"messages": [{"role": "user", "content": text}, {"content": json.dumps({"q": text})}]}
    left, pseudonyms = sent(body)
    raw = msgspec.json.encode(left).decode()
    assert left_over(left, DICTIONARY, pseudonyms) == 0
    if NAME in text:
        assert NAME not in raw

    # The model says what it was told, and calls a tool with it.
    said = left["messages"][0]["content"]
    events = answered((said, said, json.dumps({"q": said})), pseudonyms.values, cut)

    reasoning, answer, arguments = told(events)
    assert reasoning == answer == text
    assert json.loads(arguments) == {"q": text}
    assert isinstance(events[-1], Usage)


def test_the_name_of_a_called_tool_is_the_one_that_the_client_has_offered() -> None:
    tools = [{"function": {"name": "ask_joerg_weissmueller"}}]
    pseudonyms = Pseudonyms(KEY, "chat")
    value = Value("text", "joerg_weissmueller")
    left = replace({"tools": tools}, Together([Dictionary([value])]), pseudonyms).value
    offered = left["tools"][0]["function"]["name"]
    assert offered == f"ask_{next(iter(pseudonyms.values))}"
    [call] = restored(pseudonyms.values).feed(ToolCallDelta(0, "id", offered))
    assert call.name == tools[0]["function"]["name"]


def test_a_picture_in_an_answer_becomes_text_and_a_listed_host_stays() -> None:
    said = "![Plan](https://evil.example/a.png) ![Plan](https://town.example/a.png)"
    stage = Restored(
        Restorable({}),
        site_tool=lambda _: True,
        leaving_call=lambda _, arguments: arguments,
        link_hosts=["town.example"],
    )
    events = [out for event in (Text(said), Finish("stop")) for out in stage.feed(event)]
    shown = "".join(event.text for event in events if isinstance(event, Text))
    assert "](https://town.example/a.png)" in shown
    assert "](https://evil.example" not in shown


def test_a_value_over_several_cells_of_a_table_leaves_the_row_its_cells() -> None:
    row = "| 17 | Jörg | Weißmüller | DE89 3704 | 0044 0532 0130 00 | 1,80 |"
    left, pseudonyms = sent(row)
    assert left.count("|") == row.count("|")
    assert not {"Jörg", "Weißmüller", "3704", "0532"} & {*left.split()}
    assert told(answered((left, "", ""), pseudonyms.values, 3))[0] == row

"""Only what the protocol itself defines is left alone in a request; all free data in it is looked through."""

import json
from typing import Any

import pytest

from backend_adapter.egress.guard import Together
from backend_adapter.egress.known.dictionary import Dictionary, Value
from backend_adapter.egress.outgoing import left_over, replace
from backend_adapter.egress.pseudonyms import Pseudonyms

NAME = "Jörg Weißmüller"
NUMBER = 4711889922
FIELDS = ("id", "type", "role", "model", "object", "detail", "name", "call_id", "tool_call_id")
# Among what is listed are words of the protocol.
DICTIONARY = Dictionary(
    [Value("person", NAME), Value("code", str(NUMBER))]
    + [Value("text", word) for word in ("user", "assistant", "auto")]
)


def sent(body: Any) -> tuple[Any, dict[str, str]]:
    """The body as it leaves, and the pseudonym of each value in it."""
    pseudonyms = Pseudonyms(b"k" * 32, "chat")
    left = replace(body, Together([DICTIONARY]), pseudonyms).value
    assert left_over(left, DICTIONARY, pseudonyms) == 0
    return left, {value: name for name, value in pseudonyms.values.items()}


def in_parameters(data: Any) -> dict[str, Any]:
    tool = {"name": "look_up", "parameters": {"type": "object", "examples": [data]}}
    return {"tools": [{"type": "function", "function": tool}]}


def in_form(data: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"q": {"default": data}}}
    form = {"name": "answer", "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def in_arguments(data: Any) -> dict[str, Any]:
    function = {"name": "look_up", "arguments": json.dumps(data)}
    call = {"id": "c1", "type": "function", "function": function}
    return {"messages": [{"role": "assistant", "tool_calls": [call]}]}


FREE = {
    "parameters": in_parameters,
    "form": in_form,
    "structured_outputs": lambda data: {"structured_outputs": {"json": data}},
    "chat_template_kwargs": lambda data: {"chat_template_kwargs": data},
    "arguments": in_arguments,
    "result": lambda data: {"messages": [{"role": "tool", "content": json.dumps(data)}]},
}


@pytest.mark.parametrize("within", FREE.values(), ids=FREE.keys())
def test_free_data_is_looked_through_under_whatever_keys(within: Any) -> None:
    left, names = sent(within({"a": dict.fromkeys(FIELDS, NAME)}))
    assert left == within({"a": dict.fromkeys(FIELDS, names[NAME])})


@pytest.mark.parametrize("within", FREE.values(), ids=FREE.keys())
def test_a_number_in_free_data_is_a_value_as_a_text_would_be(within: Any) -> None:
    data = {"enum": [NUMBER], "minimum": NUMBER, "default": float(NUMBER), str(NUMBER): 0.5, "b": 7}
    left, names = sent(within(data))
    name = names[str(NUMBER)]
    assert left == within({"enum": [name], "minimum": name, "default": name, name: 0.5, "b": 7})


@pytest.mark.parametrize("schema", [{"type": NAME}, {"type": ["string", NAME]}, {"$ref": NAME}])
def test_a_value_in_place_of_a_keyword_of_json_schema_goes(schema: dict[str, Any]) -> None:
    for within in (in_parameters, in_form):
        left, names = sent(within(schema))
        assert names[NAME] in json.dumps(left)
        assert NAME not in json.dumps(left, ensure_ascii=False)


def test_what_the_protocol_defines_stays_as_it_is_even_where_it_is_listed() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    form = {"name": "answer", "schema": {"type": "string"}}
    body = {
        "model": NAME,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "none"},
        ],
        "tools": [{"type": "function", "function": {"name": "look_up"}}],
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        "response_format": {"type": "json_schema", "json_schema": form},
    }
    assert sent(body) == (body, {})
    assert sent({"tool_choice": "auto"}) == ({"tool_choice": "auto"}, {})


def test_parameters_and_ids_of_tokens_are_no_values() -> None:
    body = {
        "seed": NUMBER,
        "max_tokens": NUMBER,
        "stop_token_ids": [NUMBER],
        "logit_bias": {str(NUMBER): 1.0},
        "prompt": [[NUMBER], [1]],
        "input": [NUMBER],
    }
    assert sent(body) == (body, {})


def test_a_name_in_the_id_of_a_call_goes_and_the_result_still_belongs_to_it() -> None:
    call = {"id": f"call_{NAME}", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    left, names = sent(
        {
            "messages": [
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": f"call_{NAME}", "content": "none"},
            ]
        }
    )
    [asked, answered] = left["messages"]
    assert asked["tool_calls"][0]["id"] == answered["tool_call_id"] == f"call_{names[NAME]}"


@pytest.mark.parametrize(
    "written", ["4711889922", "4711889922.0", "4711889922.00", "4.711889922e9"]
)
def test_json_with_a_number_that_is_a_value_stays_json_however_it_is_written(written: str) -> None:
    for text, more in (
        (f'{{"konto": {written}}}', {}),
        (f'{{"konto": {written}, "name": "{NAME}"}}', {"name": NAME}),
    ):
        left, names = sent({"messages": [{"role": "user", "content": text}]})
        expected = {"konto": names[str(NUMBER)], **{key: names[each] for key, each in more.items()}}
        assert json.loads(left["messages"][0]["content"]) == expected


def test_a_fraction_that_holds_a_value_leaves_json_whole() -> None:
    left, _ = sent({"messages": [{"role": "tool", "content": f'{{"konto": {NUMBER}.5}}'}]})
    assert str(NUMBER) not in left["messages"][0]["content"]
    assert isinstance(json.loads(left["messages"][0]["content"])["konto"], str)


def test_json_as_a_key_of_json_is_looked_through() -> None:
    left, names = sent(in_arguments({json.dumps({"n": NAME}): 1}))
    [key] = json.loads(left["messages"][0]["tool_calls"][0]["function"]["arguments"])
    assert json.loads(key) == {"n": names[NAME]}

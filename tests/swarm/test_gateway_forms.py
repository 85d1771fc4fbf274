"""What an answer is held to: the grammars take what they should and nothing else."""

import json
from typing import Any

import msgspec
import pytest
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from backend_adapter.petals.gateway import forms
from backend_adapter.petals.gateway.faults import BadRequestError
from backend_adapter.petals.gateway.request import ChatBody, read

WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TOOLS = [
    {"type": "function", "function": WEATHER},
    {"type": "function", "function": {"name": "now"}},
]
ONE = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bonn"}}\n</tool_call>'
OTHER = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


class Bytes:
    eos_token_id = 256
    bos_token_id = None
    special_token_ids = (256,)
    tokens = (*(bytes([each]) for each in range(256)), b"<end>")

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


TOKENIZER = LLTokenizer(TokenizerWrapper(Bytes()))


def takes(grammar: str | None, text: str) -> bool:
    matcher = LLMatcher(TOKENIZER, grammar)
    assert not matcher.is_error(), matcher.get_error()
    tokens = list(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def made(*, knows_tools: bool = True, marks_calls: bool = True, **asked: Any) -> forms.Chat:
    body = {"messages": [{"role": "user", "content": "Hi"}], **asked}
    chat = read(msgspec.json.encode(body), ChatBody)
    return forms.chat(chat, knows_tools=knows_tools, marks_calls=marks_calls)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", True),
        ("Ja, 1 < 2 <b>.", True),
        (f"Gern. {ONE}", True),
        (f"{ONE}\n{OTHER}", True),
        (f"{ONE} Fertig.", True),
        ("a <tool_call>", False),
        ("a <tool_call>\nweather", False),
        (ONE.replace("weather", "nothing"), False),
        (ONE.replace("city", "town"), False),
    ],
)
def test_a_call_that_the_model_chose_to_make_is_one_of_a_tool(text: str, taken: bool) -> None:
    assert takes(made(tools=TOOLS).grammar, text) is taken


@pytest.mark.parametrize(
    ("asked", "text", "taken"),
    [
        ({"tool_choice": "required"}, ONE, True),
        ({"tool_choice": "required"}, f"{ONE}\n{OTHER}", True),
        ({"tool_choice": "required", "parallel_tool_calls": False}, f"{ONE}\n{OTHER}", False),
        ({"tool_choice": "required"}, f"Gern. {ONE}", False),
        ({"tool_choice": {"type": "function", "function": {"name": "now"}}}, OTHER, True),
        ({"tool_choice": {"type": "function", "function": {"name": "now"}}}, ONE, False),
    ],
)
def test_a_call_that_must_be_made_is_made(asked: dict[str, Any], text: str, taken: bool) -> None:
    assert takes(made(tools=TOOLS, **asked).grammar, text) is taken


def test_a_template_without_tools_is_told_of_them_and_calls_in_plain_json() -> None:
    chat = made(tools=TOOLS, tool_choice="required", knows_tools=False, marks_calls=False)
    assert chat.tools is None
    assert "weather" in chat.messages[0]["content"]
    assert takes(chat.grammar, '{"name": "weather", "arguments": {"city": "Bonn"}}')
    assert made(tools=TOOLS, knows_tools=False, marks_calls=False).grammar is None


def test_who_wants_no_call_gets_no_form() -> None:
    chat = made(tools=TOOLS, tool_choice="none")
    assert (chat.grammar, chat.calls) == (None, ())


@pytest.mark.parametrize(
    ("asked", "good", "bad"),
    [
        ({"response_format": {"type": "json_object"}}, '{"a": [1]}', "[1]"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "integer"}},
                }
            },
            "42",
            '"42"',
        ),
        ({"structured_outputs": {"json": '{"enum": ["a"]}'}}, '"a"', '"b"'),
        ({"structured_outputs": {"regex": "a/b+"}}, "a/bb", "a/"),
        ({"structured_outputs": {"choice": ['"ja"', "nein"]}}, '"ja"', "ja"),
        ({"structured_outputs": {"grammar": 'start: "x" /y+/'}}, "xyy", "x"),
        ({"guided_json": {"const": 1}}, "1", "2"),
        ({"guided_regex": "[0-9]{2}"}, "12", "123"),
        ({"guided_choice": ["ja"]}, "ja", "j"),
    ],
)
def test_every_name_of_a_form_is_read(asked: dict[str, Any], good: str, bad: str) -> None:
    grammar = made(**asked).grammar
    assert takes(grammar, good)
    assert not takes(grammar, bad)


@pytest.mark.parametrize(
    "asked",
    [
        {"structured_outputs": {}},
        {"structured_outputs": {"json": "[1]"}},
        {"structured_outputs": {"choice": []}},
    ],
)
def test_a_form_that_is_none_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        made(**asked)


def test_messages_reach_the_template_as_it_reads_them() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "now", "arguments": '{"a": 1}'}}
    chat = made(
        messages=[
            {"role": "developer", "content": "Be kind."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "noon", "tool_call_id": "c1"},
        ],
        tools=TOOLS,
    )
    system, user, assistant, tool = chat.messages
    assert system["role"] == "system"
    assert user["content"] == "a\nb"
    assert assistant["content"] == ""
    assert assistant["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert tool["content"] == "noon"
    assert json.dumps(chat.tools)

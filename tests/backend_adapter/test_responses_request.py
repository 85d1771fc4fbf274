import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.responses.request import parse_responses
from backend_adapter.errors import RequestError

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "name": "files_search", "parameters": {"type": "object"}}
OTHER = {"type": "function", "name": "files_read", "description": "Reads.", "strict": True}
CALL = {"type": "function_call", "call_id": "c1", "name": "files_search", "arguments": '{"q":"x"}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "42"}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


def encoded(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "Hi", **fields}).encode()


def chat(**fields: Any) -> dict[str, Any]:
    """The chat body that an upstream gets for a Responses request."""
    return parse_responses(encoded(**fields)).chat().body()


def refused(raw: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_responses(raw).chat()
    assert caught.value.remedy
    assert caught.value.status == 400
    return caught.value


def test_every_supported_field_reaches_the_chat_under_its_name_there():
    body = chat(
        instructions="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=9,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True}},
        tools=[TOOL, OTHER],
        tool_choice="required",
        parallel_tool_calls=False,
        user="u",
    )
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 9,
        "reasoning_effort": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"a": 1}, "strict": True},
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "files_search", "parameters": {"type": "object"}},
            },
            {
                "type": "function",
                "function": {"name": "files_read", "description": "Reads.", "strict": True},
            },
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "user": "u",
    }


def test_what_asks_for_nothing_here_is_accepted_and_left_out():
    body = chat(
        store=True,
        include=["reasoning.encrypted_content"],
        metadata={"chat": "1"},
        service_tier="priority",
        truncation="disabled",
        background=False,
        previous_response_id=None,
        conversation=None,
        max_tool_calls=3,
        top_logprobs=0,
        stream_options={"include_obfuscation": False},
        text={"format": {"type": "text"}, "verbosity": "medium"},
        tools=[],
        prompt_cache_key="k",
        safety_identifier="s",
        temperatures=1,
    )
    assert body == {"model": "m", "messages": [USER]}


@pytest.mark.parametrize("stream", [True, False, None])
def test_it_says_whether_to_stream(stream: bool | None):
    asked = parse_responses(encoded(stream=stream))
    assert asked.stream is stream
    assert asked.chat().stream is stream
    assert asked.chat().choices == 1


def test_a_tool_loop_becomes_the_messages_that_the_chat_api_would_have_carried():
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Look"}]},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "hm"}],
            "status": "completed",
        },
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I search.", "annotations": []}],
        },
        {**CALL, "id": "fc_1", "status": "completed"},
        {**CALL, "call_id": "c2"},
        OUTPUT,
        {**OUTPUT, "call_id": "c2", "output": [{"type": "input_text", "text": "43"}]},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "aha"}]},
        {"role": "assistant", "content": "42 or 43"},
        {"role": "user", "content": "Which?"},
    ]
    function = {"name": "files_search", "arguments": '{"q":"x"}'}
    assert chat(input=items)["messages"] == [
        {"role": "user", "content": "Look"},
        {
            "role": "assistant",
            "content": "I search.",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": function},
                {"id": "c2", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "tool", "tool_call_id": "c2", "content": "43"},
        {"role": "assistant", "content": "42 or 43", "reasoning_content": "aha"},
        {"role": "user", "content": "Which?"},
    ]


def test_text_after_a_call_joins_the_turn_so_that_the_result_follows_the_call():
    items = [USER, CALL, {"role": "assistant", "content": "Wait."}, OUTPUT]
    _, turn, result = chat(input=items)["messages"]
    assert (turn["content"], turn["tool_calls"][0]["id"]) == ("Wait.", "c1")
    assert result["role"] == "tool"


def test_thinking_that_only_its_maker_can_read_is_left_out():
    hidden = {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "gAAA"}
    assert chat(input=[USER, hidden, USER])["messages"] == [USER, USER]


def test_images_stay_in_their_place_between_texts():
    parts = [
        {"type": "input_text", "text": "What"},
        {"type": "input_image", "image_url": PIXEL, "detail": "original"},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {"type": "input_text", "text": "is this?"},
    ]
    [message] = chat(input=[{"role": "user", "content": parts}])["messages"]
    assert message["content"] == [
        {"type": "text", "text": "What"},
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "text", "text": "is this?"},
    ]


def test_texts_of_one_message_are_its_lines():
    parts = [{"type": "input_text", "text": each} for each in ("a", "b")]
    assert chat(input=[{"role": "user", "content": parts}])["messages"][0]["content"] == "a\nb"


def test_instructions_and_the_first_instructions_of_the_input_are_one_message():
    items = [
        {"role": "developer", "content": "In German."},
        {"role": "system", "content": [{"type": "input_text", "text": "No emoji."}]},
        USER,
        {"role": "developer", "content": "Later."},
    ]
    messages = chat(instructions="Be brief.", input=items)["messages"]
    assert messages == [
        {"role": "system", "content": "Be brief.\n\nIn German.\n\nNo emoji."},
        USER,
        {"role": "system", "content": "Later."},
    ]
    assert [each["content"] for each in chat(input=items)["messages"]] == [
        "In German.",
        "No emoji.",
        "Hi",
        "Later.",
    ]


@pytest.mark.parametrize(
    ("choice", "names", "expected"),
    [
        (None, ["files_search", "files_read"], None),
        ("none", ["files_search", "files_read"], "none"),
        (
            {"type": "function", "name": "files_read"},
            ["files_search", "files_read"],
            {"type": "function", "function": {"name": "files_read"}},
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "files_read"}],
            },
            ["files_read"],
            "required",
        ),
    ],
)
def test_a_tool_choice_is_made(choice: Any, names: list[str], expected: Any):
    body = chat(tools=[TOOL, OTHER], tool_choice=choice)
    assert [each["function"]["name"] for each in body["tools"]] == names
    assert body.get("tool_choice") == expected


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "text"}, None),
        (
            {"type": "json_schema", "name": "n", "schema": {}, "description": "d"},
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {}, "description": "d"},
            },
        ),
    ],
)
def test_the_form_of_the_text_is_kept(wanted: dict[str, Any], expected: dict[str, Any] | None):
    assert chat(text={"format": wanted}).get("response_format") == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": None}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"content": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "input"),
        ({"input": [{**CALL, "call_id": ""}]}, "input[0].call_id"),
        ({"input": [USER, OUTPUT]}, "input[1].call_id"),
        ({"input": [OUTPUT, CALL]}, "input[0].call_id"),
        (
            {"input": [{"role": "user", "content": [{"type": "video"}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].image_url",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "image_url": "file:///etc/x"}],
                    }
                ]
            },
            "input[0].content[0].image_url",
        ),
        (
            {
                "input": [
                    {
                        "role": "assistant",
                        "content": [{"type": "input_image", "image_url": PIXEL}],
                    }
                ]
            },
            "input[0].content",
        ),
        ({"model": ""}, "model"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "x"}],
                },
            },
            "tool_choice.tools",
        ),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"metadata": {"k": "x" * 513}}, "metadata[...]"),
        ({"metadata": {"k" * 65: "x"}}, "metadata"),
        ({"metadata": {str(each): "x" for each in range(17)}}, "metadata"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str):
    assert refused(encoded(**fields)).param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"top_logprobs": False}, "top_logprobs"),
        ({"moderation": {"model": "m"}}, "moderation"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"tools": [TOOL, {"type": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]}, "tools[0].type"),
        ({"tools": [{"type": "code_interpreter", "container": "c"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "l"}]}, "tools[0].type"),
        ({"tools": [{"type": "custom", "name": "f"}]}, "tools[0].type"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [USER, {"id": "msg_1"}]}, "input[1].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]},
            "input[0].content[0].type",
        ),
        (
            {"input": [CALL, {**OUTPUT, "output": [{"type": "input_file", "file_id": "f"}]}]},
            "input[1].output[0].type",
        ),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, Any], param: str):
    error = refused(encoded(**fields))
    assert error.param == param
    tool = fields.get("tools", [{}])[-1].get("type")
    assert tool is None or repr(tool) in error.message


def test_a_refused_name_cannot_smuggle_markup_or_length_into_the_error():
    error = refused(encoded(tools=[{"type": '<img src=x onerror="alert(1)">' + "x" * 5000}]))
    assert "<" not in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": NaN}',
        b'{"model": "\xff", "input": "x"}',
        b'{"model":"m","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes):
    refused(raw)


WORDS = st.sampled_from(["", "x", "function", "input_text", "c1"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["input", "tools", "tool_choice", "text", "reasoning", "include", "metadata", "stream_options"]
)
TYPES = st.sampled_from(["message", "reasoning", "function_call", "function_call_output", "x", 5])
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES,
        "role": st.sampled_from(["user", "assistant", "system", "x"]) | JSON,
        "content": JSON
        | st.lists(st.fixed_dictionaries({"type": WORDS, "text": JSON}), max_size=2),
        "call_id": JSON,
        "name": JSON,
        "arguments": JSON,
        "output": JSON,
        "summary": JSON,
    },
)


@given(st.dictionaries(FIELDS, JSON | st.lists(ITEM, max_size=4)))
def test_no_body_does_anything_but_parse_or_be_refused(fields: dict[str, Any]):
    try:
        body = chat(**fields)
    except RequestError as error:
        assert error.remedy
    else:
        assert body["messages"]

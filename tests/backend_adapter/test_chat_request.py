import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.request import parse_chat, parse_completion
from backend_adapter.errors import RequestError

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "files_search", "parameters": {"type": "object"}}}


def chat(**fields: Any) -> dict[str, Any]:
    """The body that an upstream gets for a chat request."""
    raw = json.dumps({"model": "m", "messages": [USER], **fields}).encode()
    return parse_chat(raw).body()


def refused(raw: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_chat(raw)
    assert caught.value.remedy
    return caught.value


def test_only_named_fields_are_forwarded():
    body = chat(
        temperature=0.5,
        top_k=40,
        min_p=0.1,
        repetition_penalty=1.1,
        seed=7,
        stop=["x"],
        max_completion_tokens=9,
        logit_bias={"50256": -100},
        chat_template_kwargs={"thinking": True},
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        structured_outputs={"regex": "[a-z]+"},
        user="u",
        tools=[TOOL],
        tool_choice="auto",
        parallel_tool_calls=False,
        # What follows is not forwarded.
        stream=True,
        stream_options={"include_usage": True},
        metadata={"chat": "1"},
        session_id="s",
        features={"web_search": False},
        cache_salt="x",
        temperatures=1,
    )
    assert set(body) == {
        "model", "messages", "temperature", "top_k", "min_p", "repetition_penalty", "seed", "stop",
        "max_completion_tokens", "logit_bias", "chat_template_kwargs", "reasoning_effort",
        "response_format", "structured_outputs", "user", "tools", "tool_choice",
        "parallel_tool_calls",
    }  # fmt: skip
    assert body["tools"] == [TOOL]
    assert body["response_format"]["json_schema"] == {"name": "n", "schema": {}}


def test_a_tool_loop_is_forwarded_with_its_thinking():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief.", "unknown": 1},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
        {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "assistant", "content": "42", "reasoning": "aha"},
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}],
        },
    ]
    forwarded = chat(messages=messages)["messages"]
    assert forwarded[0] == {"role": "system", "content": "Be brief."}
    assert forwarded[4] == {"role": "assistant", "content": "42", "reasoning_content": "aha"}
    assert [forwarded[at] for at in (1, 2, 3, 5)] == [messages[at] for at in (1, 2, 3, 5)]


def test_null_means_absent_and_tool_fields_without_tools_are_left_out():
    body = chat(temperature=None, stop=None, tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert set(body) == {"model", "messages"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"n": 0}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [USER, {"role": "user"}]}, "messages[1].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0].type",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "file:///etc/x"}}],
                    }
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "function", "function": {"name": "other"}},
            },
            "tool_choice",
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], param: str):
    error = refused(json.dumps({"model": "m", "messages": [USER], **fields}).encode())
    assert error.param == param
    assert param.rpartition(".")[2] in error.message


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": True},
        {"logprobs": True, "top_logprobs": 5},
        {"functions": [{"name": "f"}]},
        {"function_call": {"name": "f"}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "x"}},
        {"web_search_options": {}},
    ],
)
def test_a_field_that_cannot_be_honoured_is_refused_instead_of_dropped(fields: dict[str, Any]):
    error = refused(json.dumps({"model": "m", "messages": [USER], **fields}).encode())
    assert error.status == 400
    assert error.param in fields


def test_such_fields_are_accepted_where_they_ask_for_nothing():
    body = chat(logprobs=False, top_logprobs=None, functions=[], modalities=["text"], audio=None)
    assert set(body) == {"model", "messages"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": NaN}',
        b'{"model": "\xff", "messages": []}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"a":'
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}}",
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes):
    assert refused(raw).status == 400


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_no_body_does_anything_but_parse_or_be_refused(raw: bytes):
    refused(raw)


def completion(**fields: Any) -> Any:
    return parse_completion(json.dumps({"model": "m", **fields}).encode())


@pytest.mark.parametrize(
    ("prompt", "n", "choices"),
    [
        ("Once", None, 1),
        ("Once", 3, 3),
        (["Once", "Twice"], 2, 4),
        ([1, 2, 3], None, 1),
        ([[1, 2], [3]], None, 2),
    ],
)
def test_a_prompt_is_text_or_tokens_one_or_several(prompt: Any, n: int | None, choices: int):
    asked = completion(prompt=prompt, n=n, suffix="end")
    assert asked.body()["prompt"] == prompt
    assert asked.body()["suffix"] == "end"
    assert asked.choices == choices


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": ["a"] * 100, "n": 2}, "prompt"),
        ({"prompt": "a", "logprobs": 0}, "logprobs"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "best_of": 3}, "best_of"),
    ],
)
def test_a_wrong_completion_request_is_refused(fields: dict[str, Any], param: str):
    with pytest.raises(RequestError) as caught:
        completion(**fields)
    assert caught.value.param == param

"""The schema that a small model's tool call is held to, and the words its queries are made of."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.tool_messages import own_words, text_of
from backend_adapter.chat.tool_prompt import current_question
from backend_adapter.chat.tool_schema import (
    MAX_QUERY_WORDS,
    TIGHT,
    Tool,
    arguments_schema,
    query_words,
    read_tools,
    words_pattern,
)


def schema(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    tool = Tool("t", "", {"type": "object", "properties": properties, "required": required, **more})
    return arguments_schema(tool, "What is this?")


def test_optional_arguments_are_not_asked_for() -> None:
    made = schema({"path": {"type": "string"}, "start": {"type": "integer"}}, ["path"])

    assert set(made["properties"]) == {"path"}
    assert made["required"] == ["path"]
    assert made["additionalProperties"] is False


def test_a_tool_that_requires_nothing_may_be_given_what_it_takes() -> None:
    made = schema({"path": {"type": "string"}}, [])

    assert (set(made["properties"]), made["required"]) == ({"path"}, [])


def test_texts_and_lists_are_bounded() -> None:
    made = schema(
        {
            "short": {"type": "string", "maxLength": 10},
            "long": {"type": "string", "maxLength": 10_000},
            "list": {"type": "array", "items": {"type": "string"}},
        },
        ["short", "long", "list"],
    )["properties"]

    assert (made["short"]["maxLength"], made["long"]["maxLength"]) == (10, TIGHT.text)
    assert made["list"]["maxItems"] == TIGHT.items
    assert made["list"]["items"]["maxLength"] == TIGHT.text


def test_references_are_written_out() -> None:
    made = schema(
        {"place": {"$ref": "#/$defs/Place"}},
        ["place"],
        **{"$defs": {"Place": {"type": "object", "properties": {"zip": {"type": "integer"}}}}},
    )

    assert made["properties"]["place"]["properties"] == {"zip": {"type": "integer"}}
    assert "$ref" not in str(made)


def test_a_reference_to_itself_ends() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}

    assert "$ref" not in str(
        schema({"node": {"$ref": "#/$defs/Node"}}, ["node"], **{"$defs": {"Node": node}})
    )


@pytest.mark.parametrize(
    "tools",
    [None, {}, ["x"], [{"type": "function"}], [{"function": {"name": 3}}]],
)
def test_what_is_no_function_is_left_out(tools: Any) -> None:
    assert read_tools({"tools": tools}) == ()


def test_a_search_is_held_to_the_question_s_words() -> None:
    tool = Tool("s", "Search", {"properties": {"query": {"type": "string"}}, "required": ["query"]})

    made = arguments_schema(tool, "Wie hoch ist die Hundesteuer?")

    pattern = made["properties"]["query"]["pattern"]
    assert re.fullmatch(pattern, "hoch Hundesteuer")
    assert not re.fullmatch(pattern, "Grundsteuer")


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"query": {"type": "string"}, "db": {}}, "required": ["query", "db"]},
        {"properties": {"path": {"type": "string"}}, "required": ["path"]},
        {"properties": {"query": {"type": "string", "enum": ["a"]}}, "required": ["query"]},
        {
            "properties": {"query": {"type": "string", "description": "A SQL statement"}},
            "required": ["query"],
        },
    ],
)
def test_other_arguments_are_not_made_of_the_question(parameters: dict[str, Any]) -> None:
    assert Tool("t", "", parameters).query_argument is None


@given(st.text(max_size=300))
def test_every_question_has_a_pattern_that_its_own_words_match(question: str) -> None:
    words = query_words(question)

    assert len(words) <= MAX_QUERY_WORDS
    if words:
        pattern = words_pattern(words)
        assert re.fullmatch(pattern, " ".join(words))
        assert re.fullmatch(pattern, words[-1])


def test_of_a_long_message_the_question_counts() -> None:
    message = "Well, " * 50 + ". I moved here. How much is the dog tax? Thank you."

    assert query_words(message) == ["How", "much", "is", "the", "dog", "tax"]


def test_a_question_that_goes_on_brings_the_one_before() -> None:
    messages = [
        {"role": "user", "content": "How much is the dog tax?"},
        {"role": "assistant", "content": "96 euros."},
        {"role": "user", "content": "And for the second dog?"},
    ]

    assert current_question(messages) == "How much is the dog tax? And for the second dog?"
    assert current_question([messages[0]]) == "How much is the dog tax?"
    assert current_question([]) == ""


def test_only_what_the_user_typed_is_the_question() -> None:
    typed = 'Who pays?\n<attached_files>\n<file id="1" name="a.pdf"/>\n</attached_files>'

    assert own_words({"content": typed}) == "Who pays?"
    assert own_words({"content": "<context>only this</context>"}).startswith("<context>")


def test_content_in_parts_is_read_as_text() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]

    assert text_of({"content": parts}) == "a\nb"
    assert text_of({"content": None}) == ""

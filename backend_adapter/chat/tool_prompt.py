"""A chat with tools, retold for a template that knows neither tool calls nor tool results."""

import re
from collections.abc import Sequence
from typing import Any

from backend_adapter.chat.tool_messages import (
    Message,
    is_result,
    last_user_index,
    own_words,
    text_of,
)
from backend_adapter.chat.tool_schema import Tool

# Few words per tool: the whole prompt of a small engine is a few thousand tokens. In characters.
MAX_DESCRIPTION = 300
# How a follow-up question begins that means nothing without the question before it.
_CONTINUES = re.compile(
    r"^(and|what about|how about|or|also|und|oder|auch|wie (sieht|ist) es mit|was ist mit)\b",
    re.IGNORECASE,
)


def current_question(messages: Sequence[Message]) -> str:
    """What the user asks now, with the question before it when it only continues that one."""
    index = last_user_index(messages)
    if index is None:
        return ""
    question = own_words(messages[index])
    if _CONTINUES.match(question):
        earlier = last_user_index(messages[:index])
        if earlier is not None:
            return f"{own_words(messages[earlier])} {question}"
    return question


def asking_for_a_call(tools: Sequence[Tool], messages: Sequence[Message]) -> list[Message]:
    """The chat, with the tools described ahead of it and a call asked for."""
    system = "\n".join(
        [
            *(described(tool) for tool in tools),
            "Answer with one tool call, as JSON, and nothing else.",
        ]
    )
    return [{"role": "system", "content": system}, *retold(messages)]


def retold(messages: Sequence[Message]) -> list[Message]:
    """The same chat in plain turns: calls as what they asked for, results as what was found."""
    plain: list[Message] = []
    for message in messages:
        if is_result(message):
            plain.append({"role": "user", "content": f"Result of the tool:\n{text_of(message)}"})
        elif calls := message.get("tool_calls"):
            said = [text_of(message), *(_call_text(call) for call in calls)]
            content = "\n".join(line for line in said if line.strip())
            plain.append({"role": "assistant", "content": content})
        else:
            plain.append(message)
    return plain


def without_tools(messages: Sequence[Message]) -> list[Message]:
    """The chat without calls and results; what was answered from them says what they said."""
    plain: list[Message] = []
    for message in messages:
        if is_result(message):
            continue
        if message.get("tool_calls") or message.get("function_call"):
            if text_of(message).strip():
                plain.append({"role": "assistant", "content": text_of(message)})
        else:
            plain.append(message)
    return plain


def results_since_question(messages: Sequence[Message]) -> list[str]:
    """What tools have answered since the user last spoke."""
    last = last_user_index(messages)
    since = messages if last is None else messages[last + 1 :]
    return [text_of(message) for message in since if is_result(message)]


def _call_text(call: Any) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return ""
    return f"I call {function.get('name')} with {function.get('arguments')}."


def described(tool: Tool) -> str:
    """A tool in a few lines: name, description and arguments."""
    lines = [f"Tool {tool.name}: {_short(tool.description)}".rstrip(": ")]
    names = tool.required or tuple(tool.properties)
    for name in names:
        lines.append(f"Argument {_argument(name, tool.properties[name])}")
    return "\n".join(lines)


def _argument(name: str, schema: Any) -> str:
    if not isinstance(schema, dict):
        return name
    kind = schema.get("type")
    text = f"{name} ({kind})" if isinstance(kind, str) else name
    described = _short(str(schema.get("description") or ""))
    return f"{text}: {described}" if described else text


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_DESCRIPTION else text[: MAX_DESCRIPTION - 1] + "…"

"""The messages that lead a small model to write a tool call, and to answer from a tool's result."""

import re
from collections.abc import Sequence
from typing import Any

from backend_adapter.chat.passages import relevant_text
from backend_adapter.chat.tool_messages import Message, last_user_index, own_words, text_of
from backend_adapter.chat.tool_schema import Tool

# Few words per tool: the whole prompt of a small engine is a few thousand tokens. In characters.
MAX_DESCRIPTION = 300
# How a follow-up question begins that means nothing without the question before it.
_CONTINUES = re.compile(
    r"^(and|what about|how about|or|also|und|oder|auch|wie (sieht|ist) es mit|was ist mit)\b",
    re.IGNORECASE,
)
# Measured on SmolLM2-135M: with questions of both languages as examples it copies the question,
# without examples it invents file names and addresses.
_EXAMPLE_QUESTIONS = (
    "When does the train to Hamburg leave?",
    "Wie teuer ist ein Fahrrad?",
    "Who wrote the book about bees?",
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


def call_messages(tools: Sequence[Tool], question: str) -> list[Message]:
    """A chat whose next answer is the call: the tools, examples where they help, the question."""
    query = tools[0].query_argument if len(tools) == 1 else None
    rule = (
        "Write the tool call for the user's question as JSON. Copy the question into the query."
        if query
        else "Write the tool call that helps to answer the user's question, as JSON."
    )
    system = "\n".join([*(_described(tool) for tool in tools), rule])
    messages: list[Message] = [{"role": "system", "content": system}]
    if query:
        for example in _EXAMPLE_QUESTIONS:
            call = f'{{"name": "{tools[0].name}", "arguments": {{"{query}": "{example[:-1]}"}}}}'
            messages.append({"role": "user", "content": example})
            messages.append({"role": "assistant", "content": call})
    messages.append({"role": "user", "content": question})
    return messages


def plain_messages(messages: Sequence[Message]) -> list[Message]:
    """The same chat for a template that knows neither tool calls nor tool results.

    Results since the last question become part of that question; earlier ones are left out, as the
    answers after them say what they said.
    """
    last = last_user_index(messages)
    plain: list[Message] = []
    results: list[str] = []
    for index, message in enumerate(messages):
        role = message.get("role")
        if role == "tool" or role == "function":
            if last is None or index > last:
                results.append(text_of(message))
        elif message.get("tool_calls") or message.get("function_call"):
            if text_of(message).strip() and (last is None or index < last):
                plain.append({"role": "assistant", "content": text_of(message)})
        else:
            plain.append(message)
    if not results:
        return plain
    asked = last_user_index(plain)
    answering = {
        "role": "user",
        "content": answer_prompt(current_question(messages), "\n\n".join(results)),
    }
    if asked is None:
        return [*plain, answering]
    return [*plain[:asked], answering]


def answer_prompt(question: str, result: str) -> str:
    """The question together with what the tools found about it."""
    found = relevant_text(question, result)
    if not found:
        return f"{question}\n\nNothing was found about this in the documents. Say so."
    return f"{question}\n\nAnswer with a sentence of this text:\n{found}\n\n{question}"


def _described(tool: Tool) -> str:
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

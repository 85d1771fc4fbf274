"""What the answer is held to, as grammars of llguidance, and the chat as the model's template reads it.

A grammar is a text in llguidance's Lark dialect, or None where anything may be said.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from backend_adapter.chat.call_syntax.hermes import OPEN
from backend_adapter.chat.messages import NamedTool
from backend_adapter.chat.tool_prompt import asking_for_a_call, retold
from backend_adapter.chat.tool_schema import Tool, read_tools
from backend_adapter.petals.gateway.faults import BadRequestError
from backend_adapter.petals.gateway.request import ChatBody, schema_of

_CLOSE = "</tool_call>"
_SPACES = {"whitespace_flexible": False, "key_separator": ": ", "item_separator": ", "}


class Chat(msgspec.Struct, frozen=True):
    """One chat as it is generated: what the template is given, the form, and the tools whose calls are read."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    grammar: str | None
    calls: tuple[Tool, ...]


def chat(body: ChatBody, *, knows_tools: bool, marks_calls: bool) -> Chat:
    """How to generate an answer to `body`.

    `knows_tools` tells that the template renders tools, `marks_calls` that it marks calls as Hermes does.
    Raises BadRequestError.
    """
    messages = [
        _plain(each, number) for number, each in enumerate(msgspec.to_builtins(body.messages))
    ]
    choice = body.tool_choice or "auto"
    offered: list[dict[str, Any]] = msgspec.to_builtins(body.tools or [])
    tools = read_tools({"tools": offered})
    grammar = form(*body.form)
    if not tools:
        return Chat(messages, None, grammar, ())
    if choice == "none":
        told = offered if knows_tools else None
        return Chat(messages if knows_tools else retold(messages), told, grammar, ())
    wanted = tools
    if isinstance(choice, NamedTool):
        wanted = tuple(each for each in tools if each.name == choice.function.name)
    several = body.parallel_tool_calls is not False and not isinstance(choice, NamedTool)
    if choice == "auto":
        if not knows_tools:
            return Chat(retold(messages), None, grammar, ())
        if grammar is None and marks_calls and not body.continue_final_message:
            grammar = calls_when_opened(wanted)
        return Chat(messages, offered, grammar, tools)
    if not knows_tools:
        messages = asking_for_a_call(wanted, messages)
    return Chat(
        messages,
        offered if knows_tools else None,
        calls(wanted, marked=marks_calls, several=several and marks_calls),
        wanted,
    )


def form(kind: str, asked: Any) -> str | None:
    """The grammar of a form as `request._Body.form` names it. Raises BadRequestError."""
    if kind == "json":
        return f"start: {_json(schema_of(asked))}\n"
    if kind == "regex":
        return f"start: /{_within_slashes(asked)}/\n"
    if kind == "choice":
        if not asked:
            raise BadRequestError("A choice among no texts was asked for.", "Name the texts.")
        return f"start: {' | '.join(json.dumps(each, ensure_ascii=False) for each in asked)}\n"
    if kind == "grammar":
        return str(asked)
    return None


def calls(tools: Sequence[Tool], *, marked: bool, several: bool) -> str:
    """One call of one of `tools`, or `several`; `marked` as Hermes marks them, else as plain JSON."""
    if not marked:
        return f"start: call\n{_call(tools)}"
    more = ' ("\\n" marked)*' if several else ""
    return f"start: marked{more}\n{_marked()}{_call(tools)}"


def calls_when_opened(tools: Sequence[Tool]) -> str:
    """Free text, in which whatever follows the opening mark of a call is a call of one of `tools`."""
    # The text ends where the mark is complete: "suffix" has the text stop there and not look further.
    return (
        "start: said\n"
        "said: (opened inside)* free\n"
        f"opened[lazy]: /(.|\\n)*{re.escape(OPEN).replace('/', chr(92) + '/')}/\n"
        f'inside: "\\n" call "\\n{_CLOSE}"\n'
        "free: /(.|\\n)*/\n"
        f"{_call(tools)}"
    )


def _marked() -> str:
    return f'marked: "{OPEN}\\n" call "\\n{_CLOSE}"\n'


def _call(tools: Sequence[Tool]) -> str:
    """The rule `call`. The separators are those of Hermes' own prompt, so that drafts foresee them."""
    rules = []
    for number, tool in enumerate(tools):
        name = json.dumps(json.dumps(tool.name)[1:-1])[1:-1]
        schema = {"type": "object", **tool.parameters}
        rules.append(
            f'call{number}: "{{\\"name\\": \\"{name}\\", \\"arguments\\": " arguments{number} "}}"\n'
            f"arguments{number}: {_json(schema)}\n"
        )
    names = " | ".join(f"call{number}" for number in range(len(tools)))
    return f"call: {names}\n{''.join(rules)}"


def _json(schema: dict[str, Any]) -> str:
    """A JSON value of `schema`, with spaces only where json.dumps writes them.

    Where any number of spaces may stand, a small model finds no end of them; and what must come is a draft for
    nothing.
    """
    return f"%json {json.dumps({**schema, 'x-guidance': _SPACES})}"


def _within_slashes(pattern: str) -> str:
    return re.sub(r"(?<!\\)/", r"\\/", pattern)


def _plain(message: dict[str, Any], number: int) -> dict[str, Any]:
    """A message as templates read it: content as text, arguments of calls as objects."""
    content = message.get("content")
    if isinstance(content, list):
        if any(part["type"] != "text" for part in content):
            raise BadRequestError(
                "This model reads text only.",
                "Leave pictures out.",
                param=f"messages[{number}].content",
            )
        content = "\n".join(part["text"] for part in content)
    plain = {**message, "content": content or ""}
    if plain["role"] == "developer":
        plain["role"] = "system"
    if thought := plain.pop("reasoning", None):
        plain.setdefault("reasoning_content", thought)
    if made := message.get("tool_calls"):
        plain["tool_calls"] = [_call_of(each) for each in made]
    return plain


def _call_of(call: dict[str, Any]) -> dict[str, Any]:
    try:
        arguments = json.loads(call["function"]["arguments"])
    except ValueError:
        arguments = call["function"]["arguments"]
    return {**call, "function": {**call["function"], "arguments": arguments}}

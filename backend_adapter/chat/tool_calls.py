"""Tool calls from every engine, whether it reads them itself, leaves them in the text, or has none.

`plan` turns a chat request into the one that the engine can answer, together with the stages that
make tool-call events of its answer.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

import msgspec

from backend_adapter.chat.arguments import ArgumentsCheck
from backend_adapter.chat.call_syntax import TextCalls
from backend_adapter.chat.call_syntax.constrained import ConstrainedCall
from backend_adapter.chat.small_model import answer_messages, call_messages
from backend_adapter.chat.stages import Stage
from backend_adapter.chat.tool_messages import Message, messages_of
from backend_adapter.chat.tool_prompt import (
    asking_for_a_call,
    current_question,
    results_since_question,
    retold,
    without_tools,
)
from backend_adapter.chat.tool_schema import Tool, call_schema, query_words, read_tools

Mode: TypeAlias = Literal["engine", "schema", "text"]

# What one call may cost, in tokens; a small model fills a few short arguments.
CALL_TOKENS = 4096
SMALL_CALL_TOKENS = 512
# What its answer may cost where the client sets no limit: it does not always find an end.
SMALL_ANSWER_TOKENS = 512
_TOOL_FIELDS = frozenset(
    {"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"}
)
# Fields that would cut the call off or bend it away from its schema.
_FIELDS_AGAINST_A_CALL = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "presence_penalty",
        "repeat_penalty",
        "stop",
        "top_logprobs",
    }
)


class Plan(msgspec.Struct, frozen=True):
    """What to ask the engine, and how to read its answer."""

    body: dict[str, Any]
    # The tools that the client offers.
    tools: tuple[Tool, ...] = ()
    # Those of which the answer, held to a schema, calls one; empty where it is held to none.
    calls: tuple[Tool, ...] = ()
    # Whether the engine leaves calls in the text.
    in_text: bool = False

    def stages(self) -> list[Stage]:
        """What the engine's events pass, after thinking has been told from text; new for each answer."""
        if not self.tools:
            return []
        check = ArgumentsCheck(self.tools)
        if self.calls:
            return [ConstrainedCall(self.calls), check]
        return [TextCalls(self.tools), check] if self.in_text else [check]


def plan(
    body: dict[str, Any], force_first_call: tuple[str, ...], mode: Mode, *, small: bool = False
) -> Plan:
    """The request for the engine.

    `force_first_call` holds shell patterns of tool names: when offered tools match, the first
    answer to a question calls one of those, unless the client chose otherwise. Mode `engine`
    leaves the rest to the engine's own tool parser, mode `text` to its prompt template and to the
    adapter, which reads calls out of the text unless the client wants none. Mode `schema` never sends
    tools: it asks for a call that keeps to a schema where one must be made, and for a plain answer
    everywhere else. A `small` model gets help with both (see `small_model`).
    """
    tools = read_tools(body)
    messages = messages_of(body)
    results = results_since_question(messages)
    forced = () if results else _forced(tools, force_first_call)
    choice = body.get("tool_choice")
    if mode != "schema":
        asked = _with_choice(body, forced) if choice in (None, "auto") else body
        return Plan(asked, tools, in_text=mode == "text" and choice != "none")
    if not query_words(current_question(messages)):
        # A search for nothing would be a search for something made up.
        forced = tuple(tool for tool in forced if tool.query_argument is None)
    calls = _calls(tools, forced, choice)
    if calls:
        return Plan(_call_body(body, messages, calls, small=small), tools, calls)
    return Plan(_plain_body(body, messages, results, small=small), tools)


def plan_without_parser(
    body: dict[str, Any], force_first_call: tuple[str, ...], *, formed: bool, small: bool = False
) -> Plan:
    """The request for an engine that shows tools to the model, but does not read its calls.

    Such an engine refuses a request that lets the model choose. Where a call must be made, it is held to a
    schema, if the engine holds answers to one (`formed`); elsewhere calls are read out of the text.
    """
    if formed:
        held = plan(body, force_first_call, "schema", small=small)
        if held.calls:
            return held
    return plan(body, force_first_call, "text", small=small)


def _forced(tools: Sequence[Tool], patterns: Sequence[str]) -> tuple[Tool, ...]:
    return tuple(
        tool for tool in tools if any(fnmatchcase(tool.name, pattern) for pattern in patterns)
    )


def _with_choice(body: dict[str, Any], forced: Sequence[Tool]) -> dict[str, Any]:
    if not forced:
        return body
    if len(forced) > 1:
        return {**body, "tool_choice": "required"}
    return {**body, "tool_choice": {"type": "function", "function": {"name": forced[0].name}}}


def _calls(tools: Sequence[Tool], forced: tuple[Tool, ...], choice: Any) -> tuple[Tool, ...]:
    """The tools of which one must be called now; empty when the answer is plain."""
    if choice == "none":
        return ()
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        return tuple(tool for tool in tools if tool.name == name)
    if choice == "required":
        return forced or tuple(tools)
    return forced


def _call_body(
    body: dict[str, Any], messages: Sequence[Message], tools: tuple[Tool, ...], *, small: bool
) -> dict[str, Any]:
    question = current_question(messages)
    asking = call_messages(tools, question) if small else asking_for_a_call(tools, messages)
    kept = {
        key: value
        for key, value in body.items()
        if key not in _TOOL_FIELDS and key not in _FIELDS_AGAINST_A_CALL
    }
    return {
        **kept,
        "messages": asking,
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "tool_call",
                "strict": True,
                "schema": call_schema(tools, question if small else None),
            },
        },
        "temperature": 0,
        "max_tokens": SMALL_CALL_TOKENS if small else CALL_TOKENS,
    }


def _plain_body(
    body: dict[str, Any], messages: Sequence[Message], results: Sequence[str], *, small: bool
) -> dict[str, Any]:
    plain = {key: value for key, value in body.items() if key not in _TOOL_FIELDS}
    if not messages:
        return plain
    if not small:
        plain["messages"] = retold(messages)
        return plain
    if results:
        plain["messages"] = answer_messages(current_question(messages), "\n\n".join(results))
        # What was found is to be repeated, not varied.
        plain.setdefault("temperature", 0)
    else:
        plain["messages"] = without_tools(messages)
    if not {"max_tokens", "max_completion_tokens"} & plain.keys():
        plain["max_tokens"] = SMALL_ANSWER_TOKENS
    return plain

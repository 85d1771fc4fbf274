"""Tool calls for engines whose chat template has none, by holding their output to a schema.

`plan` turns a chat request into the one that the engine can answer, together with the way its
answer becomes tool-call events again.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeAlias

import msgspec

from backend_adapter.chat.events import Event, Failure, Finish, Text, ToolCallDelta
from backend_adapter.chat.tool_messages import Message, last_user_index, messages_of
from backend_adapter.chat.tool_prompt import call_messages, current_question, plain_messages
from backend_adapter.chat.tool_schema import Tool, call_schema, read_tools

Mode: TypeAlias = Literal["engine", "schema"]

# What one call may cost, in tokens: name, braces and a few short arguments.
CALL_TOKENS = 512
# A call's text beyond this is not read on, in characters.
MAX_CALL_TEXT = 65_536
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
    # The tools of which the answer calls one; empty where the answer is plain.
    calls: tuple[Tool, ...] = ()

    async def transform(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """The engine's events, with a constrained answer turned into tool-call events.

        Closes `events` when it ends or is closed.
        """
        try:
            async for event in _read_calls(events, self.calls) if self.calls else events:
                yield event
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()


def plan(body: dict[str, Any], force_first_call: tuple[str, ...], mode: Mode) -> Plan:
    """The request for the engine.

    `force_first_call` holds shell patterns of tool names: when offered tools match, the first
    answer to a question calls one of those, unless the client chose otherwise. Mode `engine`
    leaves the rest to the engine's own tool parser. Mode `schema` never sends tools: it asks for a
    call that keeps to a schema where one must be made, and for a plain answer everywhere else.
    """
    tools = read_tools(body)
    messages = messages_of(body)
    forced = _forced(tools, force_first_call) if not _has_result(messages) else ()
    choice = body.get("tool_choice")
    if mode == "engine":
        return Plan(_with_choice(body, forced) if choice in (None, "auto") else body)
    calls = _calls(tools, forced, choice)
    return (
        Plan(_call_body(body, messages, calls), calls)
        if calls
        else Plan(_plain_body(body, messages))
    )


def _forced(tools: Sequence[Tool], patterns: Sequence[str]) -> tuple[Tool, ...]:
    return tuple(
        tool for tool in tools if any(fnmatchcase(tool.name, pattern) for pattern in patterns)
    )


def _has_result(messages: Sequence[Message]) -> bool:
    """Whether a tool has answered since the user last spoke."""
    start = last_user_index(messages)
    since = messages if start is None else messages[start:]
    return any(message.get("role") in ("tool", "function") for message in since)


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
    body: dict[str, Any], messages: Sequence[Message], tools: tuple[Tool, ...]
) -> dict[str, Any]:
    question = current_question(messages)
    kept = {
        key: value
        for key, value in body.items()
        if key not in _TOOL_FIELDS and key not in _FIELDS_AGAINST_A_CALL
    }
    return {
        **kept,
        "messages": call_messages(tools, question),
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "tool_call",
                "strict": True,
                "schema": call_schema(tools, question),
            },
        },
        "temperature": 0,
        "max_tokens": CALL_TOKENS,
    }


def _plain_body(body: dict[str, Any], messages: Sequence[Message]) -> dict[str, Any]:
    plain = {key: value for key, value in body.items() if key not in _TOOL_FIELDS}
    if not messages:
        return plain
    plain["messages"] = plain_messages(messages)
    if _has_result(messages):
        # What was found is to be repeated, not varied.
        plain.setdefault("temperature", 0)
    return plain


async def _read_calls(
    events: AsyncIterator[Event], tools: tuple[Tool, ...]
) -> AsyncIterator[Event]:
    """Each choice's text is kept back until it is complete, then leaves as one call."""
    texts: dict[int, list[str]] = {}
    length = 0
    finished: set[int] = set()
    async for event in events:
        if isinstance(event, Text):
            length += len(event.text)
            if length > MAX_CALL_TEXT:
                yield _failure("it is longer than a call can be")
                return
            texts.setdefault(event.choice, []).append(event.text)
        elif isinstance(event, Finish):
            finished.add(event.choice)
            if event.reason == "length":
                yield _failure(f"it was cut off after {CALL_TOKENS} tokens")
                return
            call = read_call("".join(texts.pop(event.choice, [])), tools, event.choice)
            yield call
            if isinstance(call, Failure):
                return
            yield Finish("tool_calls", event.choice)
        else:
            yield event
            if isinstance(event, Failure):
                return
    if texts or not finished:
        yield _failure("the answer ended before it was complete")


def read_call(text: str, tools: Sequence[Tool], choice: int = 0) -> ToolCallDelta | Failure:
    """The one call that the text is, or why it is none. Nothing is repaired or made up."""
    try:
        call = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return _failure("it is not valid JSON")
    if not isinstance(call, dict):
        return _failure("it is not a JSON object")
    tool = next((tool for tool in tools if tool.name == call.get("name")), None)
    if tool is None:
        return _failure("it names no tool that was offered")
    arguments = call.get("arguments")
    if not isinstance(arguments, dict):
        return _failure(f"its arguments for {tool.name} are not an object")
    missing = [name for name in tool.required if name not in arguments]
    if missing:
        return _failure(f"it lacks the argument {missing[0]} of {tool.name}")
    return ToolCallDelta(
        index=0,
        id=f"call_{secrets.token_hex(12)}",
        name=tool.name,
        arguments=msgspec.json.encode(arguments).decode(),
        choice=choice,
    )


def _failure(reason: str) -> Failure:
    return Failure(
        f"The model's tool call cannot be used: {reason}. Ask again, or choose a larger model.",
        code="invalid_tool_call",
    )

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
from backend_adapter.chat.small_model import answer_messages, call_messages
from backend_adapter.chat.tool_messages import Message, messages_of
from backend_adapter.chat.tool_prompt import (
    asking_for_a_call,
    current_question,
    results_since_question,
    retold,
    without_tools,
)
from backend_adapter.chat.tool_schema import Tool, call_schema, query_words, read_tools

Mode: TypeAlias = Literal["engine", "schema"]

# What one call may cost, in tokens; a small model fills a few short arguments.
CALL_TOKENS = 4096
SMALL_CALL_TOKENS = 512
# What its answer may cost where the client sets no limit: it does not always find an end.
SMALL_ANSWER_TOKENS = 512
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


def plan(
    body: dict[str, Any], force_first_call: tuple[str, ...], mode: Mode, *, small: bool = False
) -> Plan:
    """The request for the engine.

    `force_first_call` holds shell patterns of tool names: when offered tools match, the first
    answer to a question calls one of those, unless the client chose otherwise. Mode `engine`
    leaves the rest to the engine's own tool parser. Mode `schema` never sends tools: it asks for a
    call that keeps to a schema where one must be made, and for a plain answer everywhere else.
    A `small` model gets help with both (see `small_model`).
    """
    tools = read_tools(body)
    messages = messages_of(body)
    results = results_since_question(messages)
    forced = () if results else _forced(tools, force_first_call)
    choice = body.get("tool_choice")
    if mode == "engine":
        return Plan(_with_choice(body, forced) if choice in (None, "auto") else body)
    if not query_words(current_question(messages)):
        # A search for nothing would be a search for something made up.
        forced = tuple(tool for tool in forced if tool.query_argument is None)
    calls = _calls(tools, forced, choice)
    if calls:
        return Plan(_call_body(body, messages, calls, small=small), calls)
    return Plan(_plain_body(body, messages, results, small=small))


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
                yield _failure("it was cut off before its end")
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

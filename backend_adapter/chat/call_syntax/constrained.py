"""Reads an answer that was held to the schema of one call: it is that call, or of no use."""

from collections.abc import Iterable, Sequence

import msgspec

from backend_adapter.chat.call_ids import new_call_id
from backend_adapter.chat.events import Event, Failure, Finish, Text, ToolCallDelta
from backend_adapter.chat.tool_schema import Tool

# A call's text beyond this is not read on, in characters.
MAX_CALL_TEXT = 65_536


class ConstrainedCall:
    """A stage that keeps each choice's text back until it is complete; it leaves as one call.

    After a Failure nothing more comes.
    """

    passes_text = False

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tuple(tools)
        self._texts: dict[int, list[str]] = {}
        self._length = 0
        self._failed = False

    def feed(self, event: Event) -> Iterable[Event]:
        if self._failed:
            return ()
        events = self._read(event)
        self._failed = bool(events) and isinstance(events[-1], Failure)
        return events

    def _read(self, event: Event) -> Sequence[Event]:
        if isinstance(event, Text):
            self._length += len(event.text)
            if self._length > MAX_CALL_TEXT:
                return (_failure("it is longer than a call can be"),)
            self._texts.setdefault(event.choice, []).append(event.text)
            return ()
        if not isinstance(event, Finish):
            return (event,)
        if event.reason == "length":
            return (_failure("it was cut off before its end"),)
        call = read_call("".join(self._texts.pop(event.choice, [])), self._tools, event.choice)
        if isinstance(call, Failure):
            return (call,)
        return (call, Finish("tool_calls", event.choice))


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
        id=new_call_id(),
        name=tool.name,
        arguments=msgspec.json.encode(arguments).decode(),
        choice=choice,
    )


def _failure(reason: str) -> Failure:
    return Failure(
        f"The model's tool call cannot be used: {reason}. Ask again, or choose a larger model.",
        code="invalid_tool_call",
    )

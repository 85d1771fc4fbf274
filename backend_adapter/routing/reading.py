"""Reads the text of a plain completion as the engine's own parsers read the text of a chat."""

from collections.abc import Iterable, Sequence

from backend_adapter.chat.call_syntax import TextCalls
from backend_adapter.chat.events import Event, Text, ToolCallDelta
from backend_adapter.chat.reasoning import reasoning_stages
from backend_adapter.chat.stages import Stage, Stages
from backend_adapter.chat.tool_schema import Tool


def as_engine(tools: Sequence[Tool], raw: str, *, thought: bool, apart: bool = True) -> Stage:
    """What turns the text of an answer that begins with `raw` into what an engine would have told of it.

    `thought` says that the engine has told thinking apart; `apart`, that it does where there is any.
    """
    tagged = raw.lstrip().startswith(("<think>", "<|"))
    starts_open = not tagged and (thought or "</think>" in raw)
    stages: list[Stage] = list(reasoning_stages(starts_open=starts_open)) if apart else []
    return Stages([*stages, TextCalls(tools), _NothingAfterCalls()] if tools else stages)


class _NothingAfterCalls:
    """A step that leaves out text after a tool call, which engines do not tell."""

    passes_text = False

    def __init__(self) -> None:
        self._called = False

    def feed(self, event: Event) -> Iterable[Event]:
        self._called = self._called or isinstance(event, ToolCallDelta)
        return () if self._called and isinstance(event, Text) else (event,)

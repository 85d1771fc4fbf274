"""Calls as Hermes and Qwen write them: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`."""

from collections.abc import Set

from backend_adapter.chat.call_syntax.call_object import read_call_object
from backend_adapter.chat.call_syntax.source import SPACE, Reading, Source

OPEN = "<tool_call>"
_CLOSE = "</tool_call>"


def read_hermes(source: Source, at: int, tools: Set[str]) -> Reading[bool]:
    """Read the call whose opening tag is at `at`; False where it is none, and given out as text."""
    start = yield from source.skip(at + len(OPEN))
    if not (yield from read_call_object(source, start, tools, closing=_CLOSE)):
        return False
    end = yield from source.skip(0, SPACE + "}]")
    if (yield from source.marker(end, (_CLOSE,))):
        source.drop(end + len(_CLOSE))
    elif not (yield from source.char(end)):
        source.drop(end)
    return True

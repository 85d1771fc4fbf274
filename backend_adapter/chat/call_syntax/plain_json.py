"""Calls as Llama 3 writes them: the answer itself is {"name": ..., "parameters": {...}}.

In front of it may stand `<|python_tag|>` or the opening of a code fence; several calls are parted by
semicolons or white space.
"""

from collections.abc import Set

from backend_adapter.chat.call_syntax.call_object import read_call_object
from backend_adapter.chat.call_syntax.source import SPACE, Reading, Source, TooLongError

_FENCES = ("```json", "```")
_PYTHON_TAG = "<|python_tag|>"


def read_plain_json(source: Source, tools: Set[str]) -> Reading[None]:
    """Read the calls with which an answer begins; what is none is left, or given out as text."""
    at = yield from source.skip(0)
    opening = yield from source.marker(at, (*_FENCES, _PYTHON_TAG))
    at = yield from source.skip(at + len(opening))
    while (yield from source.char(at)) == "{":
        calls = source.next_index
        try:
            read = yield from read_call_object(source, at, tools, plain=True)
        except TooLongError:
            if source.next_index > calls:
                raise
            source.give_text(len(source.text))
            return
        if not read:
            return
        if opening in _FENCES:
            end = yield from source.skip(0)
            if (yield from source.marker(end, ("```",))):
                source.drop(end + len("```"))
            elif not (yield from source.char(end)):
                source.drop(end)
            return
        at = yield from source.skip(0, SPACE + ";")

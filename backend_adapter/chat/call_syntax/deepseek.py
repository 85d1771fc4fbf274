"""Calls as DeepSeek's models write them, between special tokens.

R1 and V3: `<｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME`, then the arguments in a JSON code fence;
V3.1: `<｜tool▁call▁begin｜>NAME<｜tool▁sep｜>{...}`; both end with `<｜tool▁call▁end｜>`, and all calls of
an answer stand between `<｜tool▁calls▁begin｜>` and `<｜tool▁calls▁end｜>`.
"""

import re
from collections.abc import Set

from backend_adapter.chat.call_syntax.source import MAX_SPACE, SPACE, Reading, Source
from backend_adapter.chat.call_syntax.values import give_object

SECTION, CALL = "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"
_SEPARATOR = "<｜tool▁sep｜>"
_CALL_END, _SECTION_END = "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>"
_TYPE = "function"
_FENCES = ("```json", "```")
_HEAD_END = re.compile(r"[<{`\n]")
_TRAILING_FENCE = re.compile(r"\s*(?:```\s*)?")


def read_deepseek(source: Source, at: int, tools: Set[str]) -> Reading[bool]:
    """Read the call or section that begins at `at`; False where it is none, and given out as text."""
    if (yield from source.marker(at, (SECTION,))):
        at = yield from source.skip(at + len(SECTION))
    if not (yield from source.marker(at, (CALL,))):
        source.give_text(at)
        return False
    start = at + len(CALL)
    head = yield from _head_end(source, start)
    if not (yield from source.marker(head, (_SEPARATOR,))):
        source.give_text(head)
        return False
    name = source.text[start:head].strip()
    at = head + len(_SEPARATOR)
    if name == _TYPE:
        end = yield from _head_end(source, at)
        name = source.text[at:end].strip() or name
        at = end
    if name not in tools:
        source.give_text(at)
        return False
    at = yield from source.skip(at)
    at += len((yield from source.marker(at, _FENCES)))
    at = yield from source.skip(at)
    source.begin_call(name)
    source.drop(at)
    yield from _read_arguments(source)
    end = yield from source.skip(0)
    if (yield from source.marker(end, (_SECTION_END,))):
        source.drop(end + len(_SECTION_END))
    return True


def _head_end(source: Source, at: int) -> Reading[int]:
    """Where the name that begins at `at` ends; names are short."""
    end = at
    while True:
        found = _HEAD_END.search(source.text, end)
        if found:
            return found.start()
        end = len(source.text)
        if end - at > MAX_SPACE or not (yield from source.more()):
            return end


def _read_arguments(source: Source) -> Reading[None]:
    if (yield from source.char(0)) == "{":
        yield from give_object(source, _CALL_END)
    # What else stands before the end belongs to the arguments, right or wrong.
    at = 0
    while True:
        at = source.text.find("<", at)
        if at < 0:
            at = len(source.text)
            if not (yield from source.more()):
                break
        elif (yield from source.marker(at, (_CALL_END, _SECTION_END, CALL))):
            break
        else:
            at += 1
    fence = _TRAILING_FENCE.match(source.text)
    source.add_arguments(source.text[fence.end() if fence else 0 : at].rstrip(SPACE + "`"))
    source.drop(at)
    if (yield from source.marker(0, (_CALL_END,))):
        source.drop(len(_CALL_END))

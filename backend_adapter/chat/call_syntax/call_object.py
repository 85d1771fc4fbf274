"""A call as one JSON object, {"name": ..., "arguments": {...}}, with its keys in any order."""

from collections.abc import Set
from typing import Any

import msgspec

from backend_adapter.chat.call_syntax.source import SPACE, Reading, Source
from backend_adapter.chat.call_syntax.values import give_object, string_end, value_end

_ARGUMENTS = ("arguments", "parameters")
# What else such an object says of a call, in answers that are nothing but the object.
_OTHERS = ("type", "id")


def read_call_object(
    source: Source, at: int, tools: Set[str], *, closing: str = "", plain: bool = False
) -> Reading[bool]:
    """Read the object that should begin at `at`; False where it is no call, and given out as text.

    It is a call as soon as its name is known and offered and its arguments have begun. From then on
    whatever is between the brackets is given out as they are; `closing` ends them early. With `plain`
    nothing but the object says that this is a call, so only known keys and an object count.
    """
    refused = yield from _read(_Object(source, at, tools, closing, plain))
    if refused is not None:
        source.give_text(min(refused, len(source.text)))
    return refused is None


class _Object:
    def __init__(self, source: Source, at: int, tools: Set[str], closing: str, plain: bool) -> None:
        self.source = source
        self.at = at
        self.tools = tools
        self.closing = closing
        self.plain = plain
        self.name = ""
        # Arguments that came before the name: where they stand.
        self.held: tuple[int, int] | None = None
        self.begun = False


def _read(found: _Object) -> Reading[int | None]:
    """Read on to the object's end; where it is refused, the position up to which it is text."""
    source = found.source
    if (yield from source.char(found.at)) != "{":
        return found.at
    found.at = yield from source.skip(found.at + 1)
    if (yield from source.char(found.at)) == "}":
        return found.at + 1
    while True:
        entry = yield from _read_entry(found)
        if not entry:
            break
        found.at = yield from source.skip(found.at)
        after = yield from source.char(found.at)
        if after == "}":
            found.at += 1
            return _close(found)
        if after != ",":
            break
        found.at = yield from source.skip(found.at + 1)
    if found.begun:
        source.drop(found.at)
        return None
    return found.at


def _close(found: _Object) -> int | None:
    if not found.begun:
        if found.plain or not found.name:
            return found.at
        found.source.begin_call(found.name)
    found.source.drop(found.at)
    return None


def _read_entry(found: _Object) -> Reading[bool]:
    """Read one key and its value; False where they are none, or none that a call has."""
    source = found.source
    if (yield from source.char(found.at)) != '"':
        return False
    end = yield from string_end(source, found.at)
    key = _decoded(source.text[found.at : end])
    colon = yield from source.skip(end)
    if not isinstance(key, str) or (yield from source.char(colon)) != ":":
        return False
    if found.plain and key not in ("name", *_ARGUMENTS, *_OTHERS):
        return False
    found.at = yield from source.skip(colon + 1)
    if found.begun:
        found.at = yield from value_end(source, found.at)
        return True
    if key == "name":
        return (yield from _read_name(found))
    if key in _ARGUMENTS:
        return (yield from _read_arguments(found))
    found.at = yield from value_end(source, found.at)
    return True


def _read_name(found: _Object) -> Reading[bool]:
    source, at = found.source, found.at
    if (yield from source.char(at)) != '"':
        return False
    end = yield from string_end(source, at)
    name = _decoded(source.text[at:end])
    if not isinstance(name, str) or name not in found.tools:
        return False
    found.name, found.at = name, end
    if found.held is not None:
        start, stop = found.held
        source.begin_call(name)
        source.add_arguments(source.text[start:stop])
        found.begun = True
    return True


def _read_arguments(found: _Object) -> Reading[bool]:
    source = found.source
    first = yield from source.char(found.at)
    if first == "{" and found.name:
        source.begin_call(found.name)
        source.drop(found.at)
        found.at, found.begun = 0, True
        return (yield from give_object(source, found.closing))
    end = yield from value_end(source, found.at)
    value = source.text[found.at : end]
    if found.plain and first != "{" and not isinstance(_decoded(_decoded(value)), dict):
        return False
    if found.name:
        source.begin_call(found.name)
        source.add_arguments(value)
        found.begun = True
    else:
        found.held = (found.at, end)
    found.at = end
    return True


def _decoded(text: Any) -> Any:
    if not isinstance(text, str):
        return None
    try:
        return msgspec.json.decode(text.strip(SPACE))
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None

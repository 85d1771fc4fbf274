"""Finding where JSON values end, in text that need not be valid JSON."""

import re

from backend_adapter.chat.call_syntax.source import Reading, Source

# Single quotes count, because models write Python's; outside a string valid JSON has none.
_STRUCTURE = re.compile(r"[\"'{}\[\]<]")
_IN_STRING = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]")}
_SCALAR_END = re.compile(r"[,}\]\s<]")


def string_end(source: Source, at: int) -> Reading[int]:
    """The position after the string that begins at `at`; after the last character where it does not end."""
    inside = _IN_STRING[source.text[at]]
    at += 1
    while True:
        found = inside.search(source.text, at)
        if found is None:
            at = len(source.text)
            if not (yield from source.more()):
                return at
        elif found.group() == "\\":
            at = found.end() + 1
            if not (yield from source.char(found.end())):
                return len(source.text)
        else:
            return found.end()


def value_end(source: Source, at: int) -> Reading[int]:
    """The position after the value that begins at `at`; after the last character where it does not end."""
    first = yield from source.char(at)
    if first in ('"', "'"):
        return (yield from string_end(source, at))
    if first not in ("{", "["):
        while True:
            found = _SCALAR_END.search(source.text, at)
            if found:
                return found.start()
            if not (yield from source.more()):
                return len(source.text)
    depth = 0
    while True:
        found = _STRUCTURE.search(source.text, at)
        if found is None:
            at = len(source.text)
            if not (yield from source.more()):
                return at
            continue
        at = found.end()
        mark = found.group()
        if mark in "\"'":
            at = yield from string_end(source, found.start())
        elif mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
            if depth == 0:
                return at


def give_object(source: Source, closing: str) -> Reading[bool]:
    """Give out the object at the beginning of the text as arguments, piece by piece.

    False where it does not end, because the text or `closing`, outside a string, comes first.
    """
    depth = 0
    quote = ""
    at = 0
    while True:
        found = (_IN_STRING[quote] if quote else _STRUCTURE).search(source.text, at)
        if found is None:
            source.give_arguments(len(source.text))
            at = 0
            if not (yield from source.more()):
                return False
            continue
        mark, at = found.group(), found.end()
        if mark == "\\":
            if at == len(source.text):
                source.give_arguments(found.start())
                at = 0
                if not (yield from source.more()):
                    source.give_arguments(len(source.text))
                    return False
            else:
                at += 1
        elif mark == quote:
            quote = ""
        elif mark in "\"'":
            quote = mark
        elif mark in "{[":
            depth += 1
        elif mark == "<":
            if closing and (yield from source.marker(found.start(), (closing,))):
                source.give_arguments(found.start())
                return False
        else:
            depth -= 1
            if depth == 0:
                source.give_arguments(at)
                return True

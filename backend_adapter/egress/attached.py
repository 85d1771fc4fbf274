"""Tells whether people's own documents stand in a request.

Open WebUI writes what it has read of an attached document into a message, as `<source id="1" name="…">`, and lists
attached files as `<attached_files>`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_MARKS = re.compile(r"<(?:source\s+id\s*=|attached_files\b)", re.IGNORECASE)


def holds_attached(body: Mapping[str, Any]) -> bool:
    """Whether a prompt, or a message that no tool returned, holds a document."""
    return any(_MARKS.search(text) for text in _written(body))


def _written(body: Mapping[str, Any]) -> Iterator[str]:
    for name in ("prompt", "suffix", "input"):
        given = body.get(name)
        yield from (
            each
            for each in (given if isinstance(given, list) else [given])
            if isinstance(each, str)
        )
    for message in body.get("messages") or ():
        if not isinstance(message, Mapping) or message.get("role") == "tool":
            continue
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content:
                if isinstance(part, Mapping) and isinstance(part.get("text"), str):
                    yield part["text"]

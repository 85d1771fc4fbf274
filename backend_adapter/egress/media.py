"""Parts of a request that hold no text: nobody can tell what they say."""

from collections.abc import Mapping
from typing import Any

# Parts of a message whose whole content is text.
_TEXT_PARTS = frozenset({"text", "input_text", "output_text", "refusal", "reasoning_text"})


def media_in(body: Mapping[str, Any]) -> str:
    """What a request holds that is no text, such as `image_url`; empty where there is nothing of it.

    A kind of part that is not known counts: it may hold anything.
    """
    found = {
        str(part.get("type", "a part without a type"))
        for message in body.get("messages") or ()
        if isinstance(message, Mapping) and isinstance(message.get("content"), list)
        for part in message["content"]
        if isinstance(part, Mapping) and part.get("type") not in _TEXT_PARTS
    }
    return ", ".join(sorted(found))


def tokens_in(body: Mapping[str, Any]) -> bool:
    """Whether a prompt or an input is given by the numbers of its tokens."""
    return any(
        isinstance(each, int) or (isinstance(each, list) and bool(each))
        for name in ("prompt", "input")
        if isinstance(given := body.get(name), list)
        for each in given
    )

"""Reading a chat request's messages, whatever form their content has."""

import re
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]

# Open WebUI appends what it attaches to a chat as tagged blocks to the user's own words.
_TAGGED_BLOCK = re.compile(r"<(\w+)(?:\s[^<>]*)?>.*?</\1>", re.DOTALL)


def text_of(message: Message) -> str:
    """A message's text: a plain string, or the text parts of a list, one per line."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def messages_of(body: dict[str, Any]) -> list[Message]:
    """The request's messages; anything that is not a message object is left out."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return []
    return [message for message in messages if isinstance(message, dict)]


def last_user_index(messages: Sequence[Message]) -> int | None:
    """Where the turn that is being answered begins; None when no user has spoken."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].get("role") == "user":
            return index
    return None


def is_result(message: Message) -> bool:
    """Whether this is what a tool answered."""
    return message.get("role") in ("tool", "function")


def own_words(message: Message) -> str:
    """What the user typed, without the blocks that a client attached to it."""
    text = text_of(message)
    typed = _TAGGED_BLOCK.sub(" ", text).strip()
    return typed or text.strip()

"""Who asks, and for what: told by the client in headers, used on site, never sent to an upstream."""

from collections.abc import Mapping

import msgspec

from backend_adapter.chat.plain import plain_text


class RequestContext(msgspec.Struct, frozen=True):
    """What Open WebUI says about a request; None where it says nothing.

    `task` is what a request is for when it is not the chat itself (`title_generation` and the like).
    """

    task: str | None = None
    chat_id: str | None = None
    user_id: str | None = None
    message_id: str | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "RequestContext":
        """Read the X-Hoheit headers; an empty one counts as absent."""
        return cls(
            task=_value(headers, "x-hoheit-task"),
            chat_id=_value(headers, "x-hoheit-chat-id"),
            user_id=_value(headers, "x-hoheit-user-id"),
            message_id=_value(headers, "x-hoheit-message-id"),
        )


def _value(headers: Mapping[str, str], name: str) -> str | None:
    return plain_text(headers.get(name, ""), 128) or None

"""The messages of a chat request, as far as the adapter lets them through.

A field that is not here is not forwarded.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """A piece of text in a message's content."""

    text: str


class ImageUrl(msgspec.Struct, omit_defaults=True):
    """An image, usually as a `data:` URL."""

    url: Annotated[str, Meta(pattern="^(data:|https?://)")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(msgspec.Struct, tag_field="type", tag="image_url"):
    """A picture in a message's content."""

    image_url: ImageUrl


Content = str | list[TextPart | ImagePart]


class FunctionCall(msgspec.Struct):
    """Which function an earlier answer called; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """A tool call in an earlier answer."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class SystemMessage(msgspec.Struct, tag_field="role", tag="system", omit_defaults=True):
    """Instructions."""

    content: Content
    name: str | None = None


class DeveloperMessage(msgspec.Struct, tag_field="role", tag="developer", omit_defaults=True):
    """Instructions, by their newer name; most prompt templates know only `system`."""

    content: Content
    name: str | None = None


class UserMessage(msgspec.Struct, tag_field="role", tag="user", omit_defaults=True):
    """What the user said."""

    content: Content
    name: str | None = None


class AssistantMessage(msgspec.Struct, tag_field="role", tag="assistant", omit_defaults=True):
    """An earlier answer, with its thinking where the client kept it."""

    content: Content | UnsetType | None = UNSET
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    name: str | None = None


class ToolMessage(msgspec.Struct, tag_field="role", tag="tool", omit_defaults=True):
    """The result of a tool call."""

    content: Content
    tool_call_id: str
    name: str | None = None


Message = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class Function(msgspec.Struct, omit_defaults=True):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_.:-]{1,128}$")]
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    """An offered tool."""

    function: Function
    type: Literal["function"]


class _FunctionName(msgspec.Struct):
    name: str


class NamedTool(msgspec.Struct):
    """A tool choice that leaves none."""

    function: _FunctionName
    type: Literal["function"]

"""The items that a Responses request brings along, as far as the adapter reads them."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class InputText(msgspec.Struct, tag_field="type", tag="input_text"):
    """A piece of text from the client's side."""

    text: str


class InputImage(msgspec.Struct, tag_field="type", tag="input_image"):
    """A picture, usually as a `data:` URL; there are no stored files to refer to."""

    image_url: Annotated[str, Meta(pattern="^(data:|https?://)")]
    detail: Literal["auto", "low", "high", "original"] | None = None


class OutputText(msgspec.Struct, tag_field="type", tag="output_text"):
    """A piece of an earlier answer."""

    text: str


class Refusal(msgspec.Struct, tag_field="type", tag="refusal"):
    """An earlier answer that was a refusal."""

    refusal: str


class ReasoningText(msgspec.Struct, tag_field="type", tag="reasoning_text"):
    """A piece of the model's thinking, in its own words."""

    text: str


class SummaryText(msgspec.Struct, tag_field="type", tag="summary_text"):
    """A piece of a summary of the model's thinking."""

    text: str


Part = InputText | InputImage | OutputText | Refusal


class MessageItem(msgspec.Struct, tag_field="type", tag="message"):
    """What somebody said."""

    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class ReasoningItem(msgspec.Struct, tag_field="type", tag="reasoning"):
    """What the model thought before the items that follow; empty where only its maker can read it."""

    summary: list[SummaryText] = []
    content: list[ReasoningText] | None = None


class FunctionCallItem(msgspec.Struct, tag_field="type", tag="function_call"):
    """A call that the model made; `arguments` is JSON text."""

    call_id: Annotated[str, Meta(min_length=1)]
    name: str
    arguments: str


class FunctionCallOutputItem(msgspec.Struct, tag_field="type", tag="function_call_output"):
    """What a call returned."""

    call_id: Annotated[str, Meta(min_length=1)]
    output: str | list[InputText | InputImage]


InputItem = MessageItem | ReasoningItem | FunctionCallItem | FunctionCallOutputItem
ITEM_TYPES = ("message", "reasoning", "function_call", "function_call_output")

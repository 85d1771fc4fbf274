"""Reads a request to /v1/responses and makes the chat of it that everything behind is asked.

Fields not named here are dropped, as in chat requests; `store` is one of them, because nothing is stored
whatever it says, and the answer says so.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from backend_adapter.chat.messages import Function, NamedTool, Tool
from backend_adapter.chat.plain import plain_text
from backend_adapter.chat.request import (
    ChatRequest,
    PositiveCount,
    Probability,
    ResponseFormat,
    not_json,
    wrong_field,
)
from backend_adapter.chat.responses.conversation import messages_of
from backend_adapter.chat.responses.items import InputItem
from backend_adapter.chat.responses.unsupported import refuse_unsupported
from backend_adapter.errors import RequestError


class TextFormat(msgspec.Struct, tag_field="type", tag="text"):
    """Plain text."""


class JsonObjectFormat(msgspec.Struct, tag_field="type", tag="json_object"):
    """Some JSON object."""


class JsonSchemaFormat(
    msgspec.Struct, tag_field="type", tag="json_schema", omit_defaults=True, kw_only=True
):
    """JSON that keeps to a schema."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class TextConfig(msgspec.Struct):
    """The form of the answer's text."""

    format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None


class ReasoningConfig(msgspec.Struct):
    """How much the model should think; thinking is always given in full, never as a summary."""

    effort: Annotated[str, Meta(max_length=64)] | None = None


class FunctionTool(msgspec.Struct):
    """A function that the model may call."""

    type: Literal["function"]
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9_.:-]{1,128}$")]
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class ChosenFunction(msgspec.Struct, tag_field="type", tag="function"):
    """A tool choice that leaves none."""

    name: str


class _AllowedFunction(msgspec.Struct):
    type: Literal["function"]
    name: str


class AllowedTools(msgspec.Struct, tag_field="type", tag="allowed_tools"):
    """A tool choice among some of the offered tools."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[_AllowedFunction], Meta(min_length=1, max_length=512)]


ToolChoice = Literal["none", "auto", "required"] | ChosenFunction | AllowedTools

# The limits of the OpenAI API.
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16),
]


class ResponsesRequest(msgspec.Struct, kw_only=True):
    """A request to /v1/responses."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: str | Annotated[list[InputItem], Meta(min_length=1)]
    instructions: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    max_output_tokens: PositiveCount | None = None
    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=512)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    metadata: Metadata | None = None
    user: str | None = None

    def chat(self) -> ChatRequest:
        """The same question as a chat request. Raises RequestError where the items make no chat."""
        tools, choice = self._tools()
        chat = ChatRequest(
            model=self.model,
            messages=messages_of(self.instructions, self.input),
            stream=self.stream,
            temperature=self.temperature,
            top_p=self.top_p,
            # The name of the limit that every engine knows.
            max_tokens=self.max_output_tokens,
            reasoning_effort=self.reasoning.effort if self.reasoning else None,
            response_format=_response_format(self.text),
            tools=tools,
            tool_choice=choice,
            parallel_tool_calls=self.parallel_tool_calls,
            user=self.user,
        )
        chat.check()
        return chat

    def _tools(
        self,
    ) -> tuple[list[Tool] | None, Literal["none", "auto", "required"] | NamedTool | None]:
        offered = self.tools or []
        choice = self.tool_choice
        if isinstance(choice, AllowedTools):
            names = {tool.name for tool in choice.tools}
            for name in names - {tool.name for tool in offered}:
                raise RequestError(
                    f"tool_choice allows the tool {plain_text(name, 64)!r}, which is not in tools.",
                    "Offer it in tools, or allow only tools that are offered.",
                    param="tool_choice.tools",
                )
            offered = [tool for tool in offered if tool.name in names]
            return [_tool(tool) for tool in offered], choice.mode
        tools = [_tool(tool) for tool in offered] or None
        if isinstance(choice, ChosenFunction):
            named = {"type": "function", "function": {"name": choice.name}}
            return tools, msgspec.convert(named, NamedTool)
        return tools, choice


def _tool(tool: FunctionTool) -> Tool:
    function = Function(tool.name, tool.description, tool.parameters, tool.strict)
    return Tool(function, "function")


def _response_format(text: TextConfig | None) -> ResponseFormat | None:
    wanted = text.format if text else None
    if isinstance(wanted, JsonSchemaFormat):
        schema = msgspec.to_builtins(wanted)
        del schema["type"]
        return ResponseFormat("json_schema", schema)
    return ResponseFormat("json_object") if isinstance(wanted, JsonObjectFormat) else None


def parse_responses(raw: bytes) -> ResponsesRequest:
    """Read the body of a request. Raises RequestError, which names the field."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None
    if isinstance(body, dict):
        if isinstance(items := body.get("input"), list):
            body["input"] = [_typed(item) for item in items]
        refuse_unsupported(body)
    try:
        return msgspec.convert(body, ResponsesRequest)
    except msgspec.ValidationError as error:
        raise wrong_field(str(error)) from None
    except RecursionError as error:
        raise not_json(error) from None


def _typed(item: object) -> object:
    """An item with its type: what has a role is a message, and a bare id refers to a stored item."""
    if not isinstance(item, dict) or item.get("type") is not None:
        return item
    if "role" in item:
        return {**item, "type": "message"}
    return {**item, "type": "item_reference"} if "id" in item else item

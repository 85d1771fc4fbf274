"""Input items become chat messages.

The Responses API gives each thought, text and call of the model an item of its own; a chat has one
message for all that the model did before somebody else spoke. Consecutive items of the model are
therefore one message, the same that the chat API would have carried.
"""

from collections.abc import Sequence

import msgspec

from backend_adapter.chat.messages import (
    AssistantMessage,
    Content,
    DeveloperMessage,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from backend_adapter.chat.plain import plain_text
from backend_adapter.chat.responses.items import (
    FunctionCallItem,
    FunctionCallOutputItem,
    InputImage,
    InputItem,
    MessageItem,
    Part,
    ReasoningItem,
    Refusal,
)
from backend_adapter.errors import RequestError


def messages_of(instructions: str | None, items: str | Sequence[InputItem]) -> list[Message]:
    """The chat that `items` tell, headed by `instructions`.

    Raises RequestError for a call's output without the call, a model's message with images, and a
    chat in which nothing is said.
    """
    if isinstance(items, str):
        items = [MessageItem("user", items)]
    messages: list[Message] = []
    if instructions:
        messages.append(SystemMessage(instructions))
    turn = _Turn()
    called: set[str] = set()
    for index, item in enumerate(items):
        if isinstance(item, ReasoningItem):
            turn.thoughts.append(_thought(item))
        elif isinstance(item, FunctionCallItem):
            called.add(item.call_id)
            turn.calls.append(ToolCall(item.call_id, FunctionCall(item.name, item.arguments)))
        elif isinstance(item, FunctionCallOutputItem):
            if item.call_id not in called:
                raise _no_call(index, item.call_id)
            turn.close(messages)
            messages.append(ToolMessage(_content(item.output), item.call_id))
        elif item.role == "assistant":
            turn.texts.append(_model_text(index, item.content))
        else:
            turn.close(messages)
            _say(messages, item, headed=bool(instructions))
    turn.close(messages)
    if not messages:
        raise RequestError(
            "input holds nothing that the model could read.",
            "Add a message to input, or set instructions.",
            param="input",
        )
    return messages


class _Turn(msgspec.Struct):
    """What the model did since somebody else last spoke."""

    thoughts: list[str] = []
    texts: list[str] = []
    calls: list[ToolCall] = []

    def close(self, messages: list[Message]) -> None:
        """Append the turn as one message, if anything of it can be read, and begin another."""
        thought = "\n".join(filter(None, self.thoughts))
        if self.texts or self.calls or thought:
            message = AssistantMessage("\n".join(self.texts) if self.texts else None)
            message.reasoning_content = thought or None
            message.tool_calls = self.calls or None
            messages.append(message)
        self.thoughts, self.texts, self.calls = [], [], []


def _say(messages: list[Message], item: MessageItem, *, headed: bool) -> None:
    """Append a message of the client's side; the first instructions of all become one message.

    Many prompt templates take a single system message, at the very beginning.
    """
    content = _content(item.content)
    if item.role == "user":
        messages.append(UserMessage(content))
        return
    if headed and len(messages) == 1 and isinstance(content, str):
        head = messages[0]
        if isinstance(head, SystemMessage) and isinstance(head.content, str):
            head.content = f"{head.content}\n\n{content}"
            return
    message = SystemMessage if item.role == "system" else DeveloperMessage
    messages.append(message(content))


def _thought(item: ReasoningItem) -> str:
    return "\n".join(piece.text for piece in (item.content or item.summary))


def _model_text(index: int, content: str | Sequence[Part]) -> str:
    read = _content(content)
    if isinstance(read, str):
        return read
    raise RequestError(
        f"input[{index}].content: a message of the assistant holds text only.",
        "Send the image in a message of the user.",
        param=f"input[{index}].content",
    )


def _content(content: str | Sequence[Part]) -> Content:
    """Text parts as one text, a line each, as engines join them; with images, all parts as a list."""
    if isinstance(content, str):
        return content
    parts = [_part(part) for part in content]
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    return "\n".join(texts) if len(texts) == len(parts) else parts


def _part(part: Part) -> TextPart | ImagePart:
    if isinstance(part, InputImage):
        # The chat API has no name for a picture in its full size.
        detail = "high" if part.detail == "original" else part.detail
        return ImagePart(ImageUrl(part.image_url, detail))
    return TextPart(part.refusal if isinstance(part, Refusal) else part.text)


def _no_call(index: int, call_id: str) -> RequestError:
    return RequestError(
        f"input[{index}] is the output of call {plain_text(call_id, 64)!r}, which is not before it.",
        "Send the function_call item as well: nothing is stored here.",
        param=f"input[{index}].call_id",
    )

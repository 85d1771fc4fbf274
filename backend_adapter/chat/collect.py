"""Puts an answer's events together into one object, for clients that do not stream."""

from typing import Any

from backend_adapter.chat.encode import Answer, usage_body
from backend_adapter.chat.events import (
    Finish,
    FinishReason,
    Part,
    Reasoning,
    Text,
    Usage,
)


class _Choice:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.tool_calls: dict[int, _ToolCall] = {}
        self.finish_reason: FinishReason | None = None

    def message(self) -> dict[str, Any]:
        text = "".join(self.text)
        message: dict[str, Any] = {"role": "assistant"}
        message["content"] = text if text or not self.tool_calls else None
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.tool_calls:
            message["tool_calls"] = [call.body() for _, call in sorted(self.tool_calls.items())]
        return message


class _ToolCall:
    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def body(self) -> dict[str, Any]:
        function = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


class Collector:
    """Add every event of a complete answer, then read `body`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None

    def add(self, event: Part) -> None:
        if isinstance(event, Usage):
            self._usage = event
            return
        choice = self._choices.setdefault(event.choice, _Choice())
        if isinstance(event, Text):
            choice.text.append(event.text)
        elif isinstance(event, Reasoning):
            choice.reasoning.append(event.text)
        elif isinstance(event, Finish):
            choice.finish_reason = event.reason
        else:
            call = choice.tool_calls.setdefault(event.index, _ToolCall())
            call.id = event.id or call.id
            call.name = event.name or call.name
            call.arguments.append(event.arguments)

    def body(self) -> dict[str, Any]:
        """The whole answer in the form of the OpenAI API."""
        answer = self._answer
        chat = answer.kind == "chat"
        choices: list[dict[str, Any]] = []
        for index, choice in sorted(self._choices.items()):
            content: dict[str, Any] = (
                {"message": choice.message()} if chat else {"text": "".join(choice.text)}
            )
            choices.append(
                {"index": index, **content, "finish_reason": choice.finish_reason, "logprobs": None}
            )
        body: dict[str, Any] = {
            "id": answer.id,
            "object": "chat.completion" if chat else "text_completion",
            "created": answer.created,
            "model": answer.model,
            "choices": choices,
        }
        if self._usage is not None:
            body["usage"] = usage_body(self._usage)
        return body

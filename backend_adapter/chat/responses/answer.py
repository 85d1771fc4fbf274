"""The response object: what was asked, what came out, and how it ended."""

from typing import Any, Literal, TypeAlias

import msgspec

from backend_adapter.chat.events import FinishReason, Part, Reasoning, Text, ToolCallDelta, Usage
from backend_adapter.chat.responses.output import INCOMPLETE, Output
from backend_adapter.chat.responses.request import ResponsesRequest

Status: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed"]

# What the API calls our errors, by their code or else their type; every other fault is a server_error.
_ERROR_CODES = {
    "upstream_overloaded": "rate_limit_exceeded",
    "rate_limit_error": "rate_limit_exceeded",
    "insufficient_quota": "rate_limit_exceeded",
    "invalid_request_error": "invalid_prompt",
}


class ResponseObject:
    """One response, from its creation to its end; `created` is in seconds since 1970."""

    def __init__(self, request: ResponsesRequest, answer_id: str, created: int) -> None:
        self._head = _head(request, answer_id, created)
        self._settings = _settings(request)
        self.output = Output(answer_id)
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None

    @property
    def complete(self) -> bool:
        """Whether the model said all that it wanted to, as far as anybody told."""
        return self.reason is not None and self.reason not in INCOMPLETE

    @property
    def final_status(self) -> Literal["completed", "incomplete"]:
        """How it ended, given that nothing failed."""
        return "completed" if self.complete else "incomplete"

    def body(self, status: Status, error: dict[str, Any] | None = None) -> dict[str, Any]:
        """The object as it now is."""
        reason = INCOMPLETE.get(self.reason) if status == "incomplete" and self.reason else None
        return {
            **self._head,
            "status": status,
            "error": error,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": [item.body() for item in self.output.items],
            "usage": _usage(self.usage) if self.usage else None,
            **self._settings,
        }


class ResponsesCollector:
    """Add every event of a complete answer, then read `body`: for clients that do not stream."""

    def __init__(self, request: ResponsesRequest, answer_id: str, created: int) -> None:
        self._response = ResponseObject(request, answer_id, created)

    def add(self, event: Part) -> None:
        """Take in one event, in order."""
        response = self._response
        if isinstance(event, Usage):
            response.usage = event
        elif event.choice:
            return  # the API has one answer to each question
        elif isinstance(event, (Text, Reasoning, ToolCallDelta)):
            piece = event.arguments if isinstance(event, ToolCallDelta) else event.text
            if piece or isinstance(event, ToolCallDelta):
                response.output.place(event)[1].write(piece)
        else:
            response.reason = event.reason

    def body(self) -> dict[str, Any]:
        """The whole response."""
        response = self._response
        response.output.finish(complete=response.complete)
        return response.body(response.final_status)


def response_error(body: dict[str, dict[str, str | None]]) -> dict[str, Any]:
    """The `error` of a failed response, from the body of an OpenAI error."""
    detail = body["error"]
    named = [_ERROR_CODES.get(detail[key] or "") for key in ("code", "type")]
    return {"code": named[0] or named[1] or "server_error", "message": detail["message"]}


def _head(request: ResponsesRequest, answer_id: str, created: int) -> dict[str, Any]:
    return {
        "id": answer_id,
        "object": "response",
        "created_at": created,
        "model": request.model,
    }


def _settings(request: ResponsesRequest) -> dict[str, Any]:
    """What was asked for as far as it was honoured, and the rest as it really is."""
    reasoning, text = request.reasoning, request.text
    settings: dict[str, Any] = msgspec.to_builtins(
        {
            "instructions": request.instructions,
            "metadata": request.metadata or {},
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_output_tokens": request.max_output_tokens,
            "parallel_tool_calls": request.parallel_tool_calls is not False,
            "tools": request.tools or [],
            "tool_choice": request.tool_choice or "auto",
            "text": {"format": (text and text.format) or {"type": "text"}},
            "user": request.user,
        }
    )
    return settings | {
        "reasoning": {"effort": reasoning.effort if reasoning else None, "summary": None},
        "background": False,
        "previous_response_id": None,
        "service_tier": "default",
        "store": False,
        "top_logprobs": 0,
        "truncation": "disabled",
    }


def _usage(usage: Usage) -> dict[str, Any]:
    # The API has no way to say that a count is not known.
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": 0,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.total_tokens,
    }

"""POST /v1/chat/completions."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.exchange import Question, respond
from backend_adapter.api.record import record
from backend_adapter.api.services import services
from backend_adapter.chat import tool_calls
from backend_adapter.chat.context import RequestContext
from backend_adapter.chat.events import Event
from backend_adapter.chat.reasoning import split_reasoning
from backend_adapter.chat.request import parse_chat
from backend_adapter.chat.tasks import plan_task

router = APIRouter()


@router.post("/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer a chat, streamed or whole."""
    settings = services(request).settings
    task = RequestContext.from_headers(request.headers).task
    record(request).task = task
    asked = parse_chat(await read_body(request, settings.max_request_bytes))
    model = settings.model(asked.model)
    body = asked.body()
    if task and model.small:
        body = plan_task(body, task)
    plan = tool_calls.plan(body, model.force_first_call, model.tool_calls, small=model.small)

    def normalise(events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        starts_open = model.reasoning == "starts_open"
        return plan.transform(split_reasoning(events, starts_open=starts_open))

    question = Question(
        kind="chat",
        model=asked.model,
        body=plan.body,
        choices=asked.choices,
        stream=bool(asked.stream),
        include_usage=asked.include_usage,
        normalise=normalise,
    )
    return await respond(request, question)

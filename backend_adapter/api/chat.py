"""POST /v1/chat/completions."""

from collections.abc import Callable

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.exchange import Asked, Collector, Encoder, Question, respond
from backend_adapter.api.services import Services, services
from backend_adapter.chat import tool_calls
from backend_adapter.chat.collect import Collector as ChatCollector
from backend_adapter.chat.context import RequestContext
from backend_adapter.chat.encode import Answer, StreamEncoder
from backend_adapter.chat.reasoning import reasoning_stages
from backend_adapter.chat.request import ChatRequest, parse_chat
from backend_adapter.chat.stages import Stage
from backend_adapter.chat.tasks import plan_task
from backend_adapter.routing.continuation import Ask

router = APIRouter()


@router.post("/chat/completions")
async def chat_completions(request: Request) -> Response:
    """Answer a chat, streamed or whole."""
    settings = services(request).settings
    asked = parse_chat(await read_body(request, settings.max_request_bytes))
    answer = Answer("chat", asked.model)

    def encoder() -> Encoder:
        # Open WebUI shows status lines; another client's program would stumble over them.
        in_open_webui = RequestContext.from_headers(request.headers).chat_id is not None
        return StreamEncoder(answer, include_usage=asked.include_usage, status_lines=in_open_webui)

    question = chat_question(
        request, asked, "chat", encoder=encoder, collector=lambda: ChatCollector(answer)
    )
    return await respond(request, question)


def chat_question(
    request: Request,
    asked: ChatRequest,
    operation: str,
    *,
    encoder: Callable[[], Encoder],
    collector: Callable[[], Collector],
) -> Question:
    """A chat as it goes to a model, with the help that the settings say this model needs."""
    given = services(request)
    task = RequestContext.from_headers(request.headers).task

    def asked_of(model: str) -> Asked:
        return _asked_of(given, msgspec.structs.replace(asked, model=model), task)

    return Question(
        asked.model, asked.body(), asked_of, operation, bool(asked.stream), encoder, collector
    )


def _asked_of(given: Services, asked: ChatRequest, task: str | None) -> Asked:
    model = given.settings.model(asked.model)
    body = asked.body()
    if task and model.small:
        body = plan_task(body, task)
    known = [each.capabilities for each in given.pool.replicas(asked.model)]
    forced, small = model.force_first_call, model.small
    if model.tool_calls == "engine" and any(each.tool_parser is False for each in known):
        # Whoever of them is asked must be able to answer.
        formed = all(each.structured_outputs for each in known)
        plan = tool_calls.plan_without_parser(body, forced, formed=formed, small=small)
    else:
        plan = tool_calls.plan(body, forced, model.tool_calls, small=small)

    def stages() -> list[Stage]:
        starts_open = model.reasoning == "starts_open"
        return [*reasoning_stages(starts_open=starts_open), *plan.stages()]

    ask = Ask("chat/completions", asked.model, plan.body, asked.choices, reads_calls=plan.in_text)
    return Asked(ask, stages)

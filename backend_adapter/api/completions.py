"""POST /v1/completions: text that goes on from a prompt, as the model writes it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.exchange import Question, respond
from backend_adapter.api.record import record
from backend_adapter.api.services import services
from backend_adapter.chat.context import RequestContext
from backend_adapter.chat.request import parse_completion

router = APIRouter()


@router.post("/completions")
async def completions(request: Request) -> Response:
    """Continue one or several prompts, streamed or whole."""
    settings = services(request).settings
    record(request).task = RequestContext.from_headers(request.headers).task
    asked = parse_completion(await read_body(request, settings.max_request_bytes))
    question = Question(
        kind="completion",
        model=asked.model,
        body=asked.body(),
        choices=asked.choices,
        stream=bool(asked.stream),
        include_usage=asked.include_usage,
        normalise=lambda events: events,
    )
    return await respond(request, question)

"""POST /v1/completions: text that goes on from a prompt, as the model writes it."""

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.exchange import Asked, Question, respond
from backend_adapter.api.services import services
from backend_adapter.chat.collect import Collector
from backend_adapter.chat.encode import Answer, StreamEncoder
from backend_adapter.chat.request import parse_completion
from backend_adapter.routing.continuation import Ask

router = APIRouter()


@router.post("/completions")
async def completions(request: Request) -> Response:
    """Continue one or several prompts, streamed or whole."""
    settings = services(request).settings
    asked = parse_completion(await read_body(request, settings.max_request_bytes))
    answer = Answer("completion", asked.model)

    def asked_of(model: str) -> Asked:
        body = msgspec.structs.replace(asked, model=model).body()
        return Asked(Ask("completions", model, body, asked.choices), list)

    question = Question(
        asked.model,
        asked.body(),
        asked_of,
        "text_completion",
        bool(asked.stream),
        lambda: StreamEncoder(answer, include_usage=asked.include_usage),
        lambda: Collector(answer),
    )
    return await respond(request, question)

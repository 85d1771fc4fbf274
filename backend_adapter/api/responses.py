"""POST /v1/responses: a chat in another form, without a memory of its own."""

import time
import uuid

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.body import read_body
from backend_adapter.api.chat import chat_question
from backend_adapter.api.exchange import respond
from backend_adapter.api.services import services
from backend_adapter.chat.responses.answer import ResponsesCollector
from backend_adapter.chat.responses.encode import ResponsesEncoder
from backend_adapter.chat.responses.request import parse_responses

router = APIRouter()


@router.post("/responses")
async def responses(request: Request) -> Response:
    """Answer the last of the input's items, streamed or whole."""
    settings = services(request).settings
    asked = parse_responses(await read_body(request, settings.max_request_bytes))
    answer_id, created = f"resp_{uuid.uuid4().hex}", int(time.time())
    question = chat_question(
        request,
        asked.chat(),
        "chat",
        encoder=lambda: ResponsesEncoder(asked, answer_id, created),
        collector=lambda: ResponsesCollector(asked, answer_id, created),
    )
    return await respond(request, question)

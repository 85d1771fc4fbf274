"""One question to a model and its answer, streamed or whole: what chat and completions share."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.record import Record, record
from backend_adapter.api.respond import EventStream, json_response, while_connected
from backend_adapter.api.services import Services, services
from backend_adapter.chat.collect import Collector
from backend_adapter.chat.encode import DONE, Answer, Kind, StreamEncoder
from backend_adapter.chat.events import Event, Failure, Part, Usage
from backend_adapter.errors import UpstreamError
from backend_adapter.routing import dispatch

_PATHS: dict[Kind, str] = {"chat": "chat/completions", "completion": "completions"}


@dataclass(frozen=True)
class Question:
    """What to ask, and how to read the answer; `body` is what an upstream gets."""

    kind: Kind
    model: str
    body: dict[str, Any]
    choices: int
    stream: bool
    include_usage: bool
    normalise: Callable[[AsyncIterator[Event]], AsyncIterator[Event]]


async def respond(request: Request, question: Question) -> Response:
    """Ask an upstream; a client that leaves ends it. Raises AdapterError if nothing was answered."""
    kept, given = record(request), services(request)
    parts = _parts(given, question, kept)
    answer = Answer(question.kind, question.model)
    if question.stream:
        encoder = StreamEncoder(answer, include_usage=question.include_usage)
        frames = _frames(parts, encoder)
        return EventStream(frames, keep_alive_s=given.settings.keep_alive_s, record=kept)
    body = await while_connected(request.receive, _collect(parts, Collector(answer)))
    return json_response(body)


async def _parts(given: Services, question: Question, kept: Record) -> AsyncGenerator[Part, None]:
    """The parts of a complete answer. Raises UpstreamError where it breaks off."""
    kept.model = question.model
    async with dispatch.ask(
        given.catalogue,
        question.model,
        _PATHS[question.kind],
        question.body,
        question.choices,
    ) as answer:
        kept.upstream = answer.upstream
        async for event in question.normalise(answer.events()):
            if isinstance(event, Failure):
                raise UpstreamError(event.message, code=event.code, status=event.status)
            if isinstance(event, Usage):
                kept.count(event)
            yield event


async def _frames(
    parts: AsyncGenerator[Part, None], encoder: StreamEncoder
) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts):
        async for part in parts:
            if frame := encoder.frame(part):
                yield frame
        yield DONE


async def _collect(parts: AsyncGenerator[Part, None], collector: Collector) -> dict[str, Any]:
    async with aclosing(parts):
        async for part in parts:
            collector.add(part)
    return collector.body()

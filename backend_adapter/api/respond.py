"""How answers reach a client, and how its leaving ends the work for it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from backend_adapter.api.record import Record, record
from backend_adapter.chat.encode import error_frame
from backend_adapter.chat.plain import plain_text
from backend_adapter.errors import AdapterError, ClientLeftError, RequestError, UnauthorizedError

log = logging.getLogger(__name__)

T = TypeVar("T")

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """`body` as JSON."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


async def error_response(request: Request, error: Exception) -> Response:
    """An exception handler: the error as an OpenAI error object."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        headers.update(error.headers or {})
        error = _routing_error(request, error)
    elif not isinstance(error, AdapterError):
        error = _internal_error()
    elif isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    record(request).error = error.code
    return json_response(error.as_openai(), error.status, headers)


def _internal_error() -> AdapterError:
    return AdapterError("The adapter failed.", "Its log says why.", code="internal_error")


def _routing_error(request: Request, error: HTTPException) -> AdapterError:
    what = f"{request.method} {plain_text(request.url.path, 100)}"
    return RequestError(
        f"{what}: {error.detail}.",
        "The routes are POST /v1/chat/completions, POST /v1/completions, GET /v1/models, "
        "GET /health, GET /ready and GET /install.",
        code="unknown_route",
        status=error.status_code,
    )


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, and cancel it the moment the client leaves.

    The request's body must have been read. Raises ClientLeftError.
    """
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientLeftError("The client left before the answer was complete.", code="client_left")
    finally:
        task.cancel()
        left.cancel()
        await asyncio.wait((task, left))


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Sends frames as they come, and a comment where none come for `keep_alive_s`.

    The status line waits for the first frame or the first comment, so that an error before either is an
    HTTP error like any other. A later one is the stream's last frame. A client that does not read for
    `write_timeout_s` has left.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        record: Record,
        keep_alive_s: float,
        write_timeout_s: float = 60,
    ) -> None:
        super().__init__()
        self._frames = frames
        self._keep_alive_s = keep_alive_s
        self._write_timeout_s = write_timeout_s
        self._record = record
        self._begun = False
        self._writing = asyncio.Lock()
        self._written_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(receive, self._stream(send))
        except ClientLeftError as error:
            self._record.status = error.status
            self._record.error = error.code
            if not self._begun:
                raise

    async def _stream(self, send: Send) -> None:
        self._written_at = asyncio.get_running_loop().time()
        keeper = asyncio.create_task(self._keep_alive(send))
        try:
            async with aclosing(self._frames) as frames:
                async for frame in frames:
                    await self._write(send, frame)
        except ClientLeftError:
            raise
        except Exception as error:
            if not self._begun:
                raise
            if not isinstance(error, AdapterError):
                log.exception("A stream broke off.")
                error = _internal_error()
            self._record.error = error.code
            await self._write(send, error_frame(error.as_openai()))
        finally:
            keeper.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, send: Send, frame: bytes) -> None:
        try:
            async with asyncio.timeout(self._write_timeout_s), self._writing:
                if not self._begun:
                    self._begun = True
                    await send(
                        {"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS}
                    )
                await send({"type": "http.response.body", "body": frame, "more_body": True})
        except TimeoutError:
            raise ClientLeftError("The client does not read.", code="client_stuck") from None
        self._written_at = asyncio.get_running_loop().time()

    async def _keep_alive(self, send: Send) -> None:
        """Until cancelled, break every silence."""
        loop = asyncio.get_running_loop()
        while True:
            silence = loop.time() - self._written_at
            if silence < self._keep_alive_s:
                await asyncio.sleep(self._keep_alive_s - silence)
                continue
            try:
                await self._write(send, b": keep-alive\n\n")
            except ClientLeftError:
                return  # the next frame's write meets the same, and ends the stream

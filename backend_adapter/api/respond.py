"""How answers reach a client, and how its leaving ends the work for it."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from backend_adapter import serving
from backend_adapter.api.push import PUSH, Push
from backend_adapter.api.record import Record, record
from backend_adapter.chat.plain import plain_text
from backend_adapter.errors import AdapterError, ClientLeftError, RequestError, UnauthorizedError

log = logging.getLogger(__name__)

T = TypeVar("T")


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
        error = internal_error()
    elif isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    record(request).error = error.code
    return json_response(error.as_openai(), error.status, headers)


def internal_error() -> AdapterError:
    """What a client is told of a fault of our own: nothing but that there is one."""
    return AdapterError("The adapter failed.", "Its log says why.", code="internal_error")


def _routing_error(request: Request, error: HTTPException) -> AdapterError:
    what = f"{request.method} {plain_text(request.url.path, 100)}"
    return RequestError(
        f"{what}: {error.detail}.",
        "The routes are POST /v1/chat/completions, POST /v1/completions, POST /v1/responses, "
        "POST /v1/embeddings, GET /v1/models, GET /v1/topology, GET /v1/site/receipts, "
        "GET /v1/site/receipts/SEQ/body, GET and PUT /v1/site/chats/CHAT, POST /v1/site/labels, GET /topology, "
        "GET /metrics, GET /health, GET /ready and GET /install.",
        code="unknown_route",
        status=error.status_code,
    )


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, and cancel it the moment the client leaves.

    The request's body must have been read. Raises ClientLeftError.
    """
    return await serving.while_connected(receive, work, _left)


def _left() -> ClientLeftError:
    return ClientLeftError("The client left before the answer was complete.", code="client_left")


class Frames(Protocol):
    """Where a stream's bytes come from."""

    async def read(self) -> bytes:
        """The next bytes; empty at the end of a complete answer. Raises AdapterError."""
        ...

    async def flow(self, write: Callable[[bytes], bool]) -> None:
        """Hand bytes to `write` the moment there are any, until it returns False or `read` is needed."""
        ...

    def error(self, error: AdapterError) -> bytes:
        """The bytes that end an answer which is not complete."""
        ...

    async def close(self) -> None:
        """End the work for it."""
        ...


class EventStream(Response):
    """Sends frames as they come, and a comment where none come for `keep_alive_s`.

    The status line waits for the first frame or the first comment, so that an error before either is an
    HTTP error like any other. A later one is the stream's last frame. A client that does not read for
    `write_timeout_s` has left.

    Once the response has begun, frames go straight to the connection where the server offers that (see
    `push`): the layers around a route only look at how a response begins and ends, and each of them would
    cost every chunk a coroutine.
    """

    def __init__(
        self,
        frames: Frames,
        *,
        record: Record,
        keep_alive_s: float,
        write_timeout_s: float = 60,
    ) -> None:
        super().__init__()
        self._frames = frames
        self._keep_alive_s = keep_alive_s
        self._write_timeout_s = write_timeout_s
        self._every_s = min(keep_alive_s, write_timeout_s)
        self._record = record
        self._begun = False
        self._writing = False
        self._stuck = False
        self._active_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._push: Push | None = scope.get("extensions", {}).get(PUSH)
        try:
            await while_connected(receive, self._stream())
        except ClientLeftError as error:
            self._record.status = error.status
            self._record.error = error.code
            if not self._begun:
                raise
        finally:
            # Not within `_stream`: to a server, a client whose response is complete has left, and the last
            # of the work for it must not be cancelled by that.
            await self._frames.close()

    async def _stream(self) -> None:
        self._task = asyncio.current_task()
        self._active_at = self._loop.time()
        self._comments: set[asyncio.Task[None]] = set()
        self._timer = self._loop.call_later(self._every_s, self._look_at_the_clock)
        frames, write, time, push = self._frames, self._write, self._loop.time, self._push
        try:
            while frame := await frames.read():
                self._active_at = time()
                await write(frame)
                if push is not None:
                    await frames.flow(push.write)
            await self._end()
        except asyncio.CancelledError:
            if self._stuck:
                raise ClientLeftError("The client does not read.", code="client_stuck") from None
            raise
        except Exception as error:
            if not self._begun or isinstance(error, ClientLeftError):
                raise
            if not isinstance(error, AdapterError):
                log.exception("A stream broke off.")
                error = internal_error()
            self._record.error = error.code
            await self._write(frames.error(error))
            await self._end()
        finally:
            self._timer.cancel()
            for comment in self._comments:
                comment.cancel()

    async def _end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, frame: bytes) -> None:
        self._writing = True
        if not self._begun:
            self._begun = True
            start = {
                "type": "http.response.start",
                "status": 200,
                "headers": serving.STREAM_HEADERS,
            }
            await self._send(start)
        await self._send({"type": "http.response.body", "body": frame, "more_body": True})
        self._writing = False

    def _look_at_the_clock(self) -> None:
        """One timer for both: silence is broken, and a write that takes too long is given up."""
        pushed_at = 0.0 if self._push is None else self._push.written_at
        silence = self._loop.time() - max(self._active_at, pushed_at)
        if self._writing:
            wait = self._write_timeout_s - silence
            if wait <= 0:
                self._stuck = True
                if self._task is not None:
                    self._task.cancel()
                return
        else:
            wait = self._keep_alive_s - silence
            if wait <= 0:
                self._active_at = self._loop.time()
                comment = self._loop.create_task(self._write(b": keep-alive\n\n"))
                self._comments.add(comment)
                comment.add_done_callback(self._comments.discard)
                wait = self._keep_alive_s
        self._timer = self._loop.call_later(min(wait, self._every_s), self._look_at_the_clock)

"""How answers reach a client, and how its leaving ends the work for it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from backend_adapter.petals.errors import SwarmError
from backend_adapter.petals.gateway import answers, faults
from backend_adapter.petals.gateway.answers import Answer
from backend_adapter.petals.gateway.engine import Piece
from backend_adapter.serving import STREAM_HEADERS, while_connected

log = logging.getLogger(__name__)

# After so long without a word a comment tells that the answer is still being worked on, in seconds. An error before
# the first comment has a status of its own, a later one can only be told in the stream.
KEEP_ALIVE_S = 5.0


class ClientLeft(Exception):  # noqa: N818 - no fault
    """Nobody is there to read the answer."""


def json_response(body: object, status: int = 200) -> Response:
    """`body` as JSON."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def error_response(error: SwarmError) -> Response:
    """An error as an OpenAI error object."""
    body = msgspec.json.encode(faults.body(error))
    return Response(body, error.status, faults.headers(error), "application/json")


def internal(error: Exception) -> SwarmError:
    """What a client is told of a fault of our own: nothing but that there is one."""
    log.error("An answer failed.", exc_info=error)
    return faults.InternalError("The gateway failed.", "Its log says why.")


class Whole(Response):
    """The answer as one JSON object."""

    def __init__(self, answer: Answer, pieces: AsyncGenerator[Piece, None]) -> None:
        super().__init__()
        self._answer, self._pieces = answer, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await while_connected(receive, self._made(), ClientLeft)
        except ClientLeft:
            return
        await response(scope, receive, send)

    async def _made(self) -> Response:
        try:
            async with aclosing(self._pieces) as pieces:
                return json_response(self._answer.whole([piece async for piece in pieces]))
        except SwarmError as error:
            return error_response(error)
        except Exception as error:  # noqa: BLE001 - told and logged
            return error_response(internal(error))


class Stream(Response):
    """The answer as server-sent events; the status line waits for the first word or the first comment."""

    def __init__(self, answer: Answer, pieces: AsyncGenerator[Piece, None]) -> None:
        super().__init__()
        self._answer, self._pieces = answer, pieces
        self._begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            error = await while_connected(receive, self._sent(send), ClientLeft)
        except ClientLeft:
            return
        if error is not None and not self._begun:
            await error_response(error)(scope, receive, send)
            return
        frame = self._answer.end() if error is None else answers.error_frame(error)
        await self._write(send, frame, more=False)

    async def _sent(self, send: Send) -> SwarmError | None:
        """Send the answer's chunks; the error that ended it, if one did."""
        try:
            async with aclosing(self._pieces) as pieces:
                coming = asyncio.ensure_future(anext(pieces, None))
                try:
                    while True:
                        await asyncio.wait((coming,), timeout=KEEP_ALIVE_S)
                        if not coming.done():
                            await self._write(send, answers.KEEP_ALIVE)
                            continue
                        if (piece := coming.result()) is None:
                            return None
                        if frames := self._answer.chunks(piece):
                            await self._write(send, frames)
                        coming = asyncio.ensure_future(anext(pieces, None))
                finally:
                    # A generator can only be closed when it does not run.
                    coming.cancel()
                    await asyncio.wait((coming,))
        except SwarmError as error:
            return error
        except Exception as error:  # noqa: BLE001 - told and logged
            return internal(error)

    async def _write(self, send: Send, frame: bytes, *, more: bool = True) -> None:
        if not self._begun:
            self._begun = True
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        await send({"type": "http.response.body", "body": frame, "more_body": more})

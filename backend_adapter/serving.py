"""What the servers share: listening, stopping, noticing who leaves, and no pauses for garbage."""

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")

# Of an event stream; no proxy on the way may keep pieces back.
STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """A socket that listens before the server starts, so that a used port is told as such. Raises OSError."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=backlog)


def freeze_loaded() -> None:
    """Have the garbage collector leave alone what is loaded now.

    It would walk over all of it again and again, and meanwhile no answer goes on.
    """
    gc.collect()
    gc.freeze()


def stop(number: int, frame: FrameType | None) -> None:
    """A signal handler. uvicorn stops cleanly by itself, then raises the signal again for this one."""
    raise SystemExit(0)


async def while_connected(
    receive: Receive, work: Coroutine[Any, Any, T], left: Callable[[], Exception]
) -> T:
    """Do `work`, and cancel it the moment the client leaves; what `left` makes is raised then.

    The request's body must have been read.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise left()
    finally:
        task.cancel()
        leaving.cancel()
        await asyncio.wait((task, leaving))


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""Runs asyncio servers beside the tests, in a thread with a loop of its own."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import uvicorn
from starlette.types import ASGIApp

T = TypeVar("T")
SECONDS = 20.0


class Server(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Asgi:
    """An ASGI application on a free port."""

    def __init__(self, app: ASGIApp) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_level="error", lifespan="on", ws="none", timeout_graceful_shutdown=1
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
        while not self._server.started:
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


@contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Starts the servers in order and stops them in reverse."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="test servers", daemon=True)
    thread.start()

    def call(work: Awaitable[T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(work, SECONDS)

        return asyncio.run_coroutine_threadsafe(bounded(), loop).result()

    started: list[Server] = []
    try:
        for server in servers:
            call(server.start())
            started.append(server)
        yield
    finally:
        for server in reversed(started):
            call(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()

"""Runs the gateway until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI

from backend_adapter.petals import compat
from backend_adapter.petals.errors import (
    MissingLayersError,
    SwarmError,
    SwarmSettingsError,
    SwarmUnreachableError,
)
from backend_adapter.petals.gateway.app import Gateway
from backend_adapter.petals.gateway.joining import Local, joined, load
from backend_adapter.petals.gateway.parts import Parts, crowded
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.serving import freeze_loaded, listen, stop

# How long answers may go on after the signal to stop, in seconds; leaving the swarm takes its time as well.
_GRACE_S = 1
# So long leaving the swarm may take, in seconds.
_LEAVE_S = 3.0
_KEEP_CONNECTION_S = 75
# Between two looks whether all layers are served, until they are.
_LOOK_S = 0.2
# For looking who is there, and for templates and tokens of questions.
_OTHER_THREADS = 8
# Between two attempts to reach a node of the swarm.
_REJOIN_S = 2.0


def say(line: str) -> None:
    """A line of progress, for people and for whoever started this."""
    print(line, flush=True)  # noqa: T201 - a command's own output


def main(arguments: list[str]) -> int:
    """Serve as the settings on standard input say (JSON). Ends with 1 where that cannot be."""
    compat.end_with_parent()
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = GatewaySettings.model_validate_json(sys.stdin.read())
        if settings.api_key is None or not settings.api_key.get_secret_value():
            raise SwarmSettingsError(
                "The gateway has no API key (api_key).",
                "Set one; `hoheit up` makes one by itself.",
            )
        if not settings.initial_peers:
            raise SwarmSettingsError(
                "No node is named to join the swarm by (initial_peers).",
                "Name the addresses of two nodes; each prints its own when it is ready.",
            )
        with _listen(settings.host, settings.port) as listening:
            running = Running(settings)
            # uvicorn stops cleanly on these signals, then raises them again for whoever handled them before.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, stop)
            say(f"listening on {settings.host}, port {listening.getsockname()[1]}")
            asyncio.run(running.server.serve(sockets=[listening]))
        if running.fault is not None:
            raise running.fault
    except (SwarmError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    return 0


class Running:
    """The server, which listens at once, and the task that joins the swarm meanwhile."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.fault: BaseException | None = None
        self._settings = settings
        self._gateway = Gateway(settings)
        self.server = uvicorn.Server(
            uvicorn.Config(
                self._gateway.app(self._lifespan),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_CONNECTION_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        work = asyncio.create_task(self._work())
        work.add_done_callback(self._ended)
        try:
            yield
        finally:
            # hivemind's joining blocks a thread and cannot be interrupted; its processes end with this one.
            last = threading.Timer(_LEAVE_S, os._exit, (0,))
            last.daemon = True
            last.start()
            work.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await work

    async def _work(self) -> None:
        """Join, however long it takes until a node can be reached, and stay."""
        # Each answer that is generated uses a thread: waiting for one is waiting for a round trip of others.
        threads = ThreadPoolExecutor(self._settings.parallel + _OTHER_THREADS)
        asyncio.get_running_loop().set_default_executor(threads)
        local = await load(self._settings, self._say)
        freeze_loaded()
        while True:
            try:
                await self._joined(local)
            except SwarmUnreachableError as error:
                self._gateway.stage = error.message
                say(f"waiting: {error}")
                await asyncio.sleep(_REJOIN_S)

    async def _joined(self, local: Local) -> None:
        gateway = self._gateway
        async with joined(self._settings, local, self._say) as parts:
            gateway.parts = parts
            try:
                await _complete(parts)
                say("ready")
                largest = self._settings.context_tokens
                await parts.engine.expire(lambda: crowded(parts.state(), largest))
            finally:
                gateway.parts = None

    def _say(self, line: str) -> None:
        self._gateway.stage = f"The gateway is {line}."
        say(line)

    def _ended(self, work: asyncio.Task[None]) -> None:
        """A gateway that cannot join is of no use: whoever started it learns why."""
        if not work.cancelled() and work.exception() is not None:
            self.fault = work.exception()
            self.server.should_exit = True


async def _complete(parts: Parts) -> None:
    """Wait until all layers are served, and say which are not."""
    told = ""
    while True:
        try:
            parts.coverage.check()
            return
        except MissingLayersError as error:
            if error.message != told:
                told = error.message
                say(f"waiting: {told}")
        await asyncio.sleep(_LOOK_S)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port, backlog=512)
    except OSError as error:
        raise SwarmSettingsError(
            f"The gateway cannot listen on {host}, port {port}: {error.strerror or error}.",
            "Stop what uses that port, or set another one.",
        ) from None

"""Runs the servers of all hosts of a cluster from here: this machine's own, and by ssh those of others."""

import asyncio
import os
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import aiohttp

from backend_adapter.vllm.command import Command
from backend_adapter.vllm.errors import LayoutError
from backend_adapter.vllm.hosts import Host
from backend_adapter.vllm.layout import Started
from hoheit.errors import StartError
from hoheit.settings import address
from hoheit.supervisor import answers

_STOP_S = 20.0
_POLL_S = 0.5
# A first host that does not answer for so long has lost its engine, and starts anew or not at all.
_GONE_S = 20.0
_KEPT_LINES = 20
# A line of vLLM's log is no longer; more of it is not waited for.
_LONGEST_LINE = 2**20
# Where the way to a host breaks, its server has to end: nobody could stop it any more.
_SSH = ("ssh", "-tt", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15")

Say = Callable[[str], None]


def is_here(host: Host) -> bool:
    """Whether an address is one of this machine's."""
    try:
        found = socket.getaddrinfo(host.address, 0, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(where)
    except OSError:
        return False
    return True


def reachable(started: Sequence[Started]) -> None:
    """Raises LayoutError for a host that is neither this machine nor has an ssh destination."""
    for each in started:
        if each.host.ssh is None and not is_here(each.host):
            raise LayoutError(
                f"{each.host.name} ({each.host.address}) is not this machine.",
                f"Say how to get there (ssh: user@host), or run its command there with --only {each.host.name}.",
            )


def command_line(host: Host, command: Command) -> list[str]:
    """What is started here for a host; its variables come by the environment where it is this machine."""
    if host.ssh is None:
        return [*_program(host), *command.arguments]
    return [*_SSH, host.ssh, command.shell(host.program)]


def _program(host: Host) -> tuple[str, ...]:
    """`hoheit` here is the one that runs, wherever it is installed."""
    if host.program[:1] == ("hoheit",):
        return (sys.executable, "-m", "hoheit", *host.program[1:])
    return host.program


async def run(
    started: Sequence[Started], first: str, port: int, say: Say, ready: Callable[[], None]
) -> None:
    """Starts these hosts, calls `ready` once all is well, and stays until SIGINT or SIGTERM.

    `first` is the address of the host that answers for those that have no API. Whatever was started is stopped
    before it returns. Raises StartError when one of them ends, or the first one is gone.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    servers = [_Server(each, say) for each in started]
    try:
        for server in servers:
            await server.start()
        asked = {each.host.address if each.answers else first for each in started}
        healths = [f"{address(each, port)}/health" for each in sorted(asked)]
        told = asyncio.create_task(_tell_ready(healths, ready))
        ended = [asyncio.create_task(server.ended()) for server in servers]
        if not any(each.answers for each in started):
            ended.append(asyncio.create_task(_until_gone(healths[0])))
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*ended, stopped], return_when=asyncio.FIRST_COMPLETED)
            for each in ended:
                if each.done() and not stop.is_set():
                    each.result()
        finally:
            for task in (told, stopped, *ended):
                task.cancel()
            await asyncio.gather(told, stopped, *ended, return_exceptions=True)
    finally:
        await asyncio.gather(*(server.stop() for server in servers))


async def _tell_ready(healths: Sequence[str], ready: Callable[[], None]) -> None:
    async with aiohttp.ClientSession() as session:
        for health in healths:
            await _until_healthy(session, health)
    ready()


async def _until_gone(health: str) -> None:
    """Waits until the first host was well and is so no more: vLLM's own process would wait for it for ever.

    Raises StartError.
    """
    async with aiohttp.ClientSession() as session:
        await _until_healthy(session, health)
        well = time.monotonic()
        while time.monotonic() - well < _GONE_S:
            await asyncio.sleep(_POLL_S)
            if await answers(session, health):
                well = time.monotonic()
    raise StartError(
        f"The first host has not answered at {health} for {_GONE_S:.0f} s, and nothing works without it.",
        "Start this host again together with the first one; a unit does so by itself.",
    )


async def _until_healthy(session: aiohttp.ClientSession, where: str) -> None:
    while not await answers(session, where):  # noqa: ASYNC110 - another machine sets no event
        await asyncio.sleep(_POLL_S)


class _Server:
    """One host's server: its output line by line, and its end."""

    def __init__(self, started: Started, say: Say) -> None:
        self._started, self._say = started, say
        self._last: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        host, command = self._started.host, self._started.command
        given = command_line(host, command)
        self._say(f"[{host.name}] {shlex.join(given)}")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *given,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                limit=_LONGEST_LINE,
                start_new_session=True,
                env={**os.environ, **(command.variables if host.ssh is None else {})},
            )
        except OSError as error:
            raise StartError(
                f"{given[0]} cannot be started for {host.name}: {error.strerror}.",
                "Install it (Debian: openssh-client), or name another program for the host."
                if given[0] == "ssh"
                else "Name the host's program (hosts.yaml).",
            ) from error
        self._reading = asyncio.create_task(self._read(self._process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - a pipe, see above
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # it is longer than anything that vLLM writes
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            self._last = [*self._last[-_KEPT_LINES:], text]
            self._say(f"[{self._started.host.name}] {text}")

    async def ended(self) -> None:
        """Waits for its end, which nobody wanted. Raises StartError."""
        assert self._process is not None and self._reading is not None  # noqa: S101 - it was started
        status = await self._process.wait()
        await self._reading
        last = next((line for line in reversed(self._last) if "Error" in line), "")
        raise StartError(
            f"The server of {self._started.host.name} has ended with {status}. {last}".rstrip(),
            "What it wrote last stands above; the others are stopped.",
        )

    async def stop(self) -> None:
        """Asks it to end, and kills it with all its processes after a while."""
        process = self._process
        if process is None:
            return
        _signal(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        _signal(process.pid, signal.SIGKILL)
        await process.wait()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)

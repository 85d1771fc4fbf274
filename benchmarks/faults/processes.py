"""Starts what a run needs: engines, forked from one nursery, and an adapter as `hoheit adapter` starts it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.gateway.proxies import free_port

CHECKOUT = Path(__file__).resolve().parents[2]
KEY, ADMIN_KEY = "the-client-s-key", "the-operator-s-key"
_START_S = 30
_STOP_S = 15
# Longest silences, in seconds: short enough for hundreds of cases, long enough for a busy machine.
STALL_S = 1.5
FIRST_TOKEN_S = 3.0


@dataclass(frozen=True)
class EngineProcess:
    """A running engine."""

    port: int
    pid: int

    def url(self, engine: str, model: str) -> str:
        """The base address under which it is an engine of this kind and lists this model."""
        return f"http://127.0.0.1:{self.port}/{engine}/{model}/v1"

    def send(self, number: signal.Signals) -> None:
        """Send a signal; one that is gone already is fine."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    def alive(self) -> bool:
        """Whether it runs and is not stopped."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "TtZX"


class Nursery:
    """Engines of one folder."""

    def __init__(self, process: Process, folder: Path) -> None:
        self._process = process
        self._lock = asyncio.Lock()
        self.folder = folder

    async def engine(self, port: int = 0) -> EngineProcess:
        """A new engine, at `port` or anywhere."""
        assert self._process.stdin and self._process.stdout  # noqa: S101
        async with self._lock:
            self._process.stdin.write(f"{port}\n".encode())
            line = await self._process.stdout.readline()
        if not line:
            raise SystemExit("The engines' nursery ended.")
        where, pid = line.split()
        return EngineProcess(int(where), int(pid))


@asynccontextmanager
async def nursery(folder: Path) -> AsyncIterator[Nursery]:
    """A nursery of engines whose faults are told in `folder`; all of them end with it."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.faults.engine", str(folder)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CHECKOUT, stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    try:
        yield Nursery(process, folder)
    finally:
        # Engines end with their parent, those too that are stopped.
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@dataclass(frozen=True)
class Adapter:
    """A running adapter."""

    url: str
    pid: int
    log: Path


@asynccontextmanager
async def adapter(folder: Path, **settings: object) -> AsyncIterator[Adapter]:
    """The adapter as a process of its own, without upstreams: they are added while it runs.

    Raises SystemExit where it does not start.
    """
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    port = free_port()
    given = {
        "port": port,
        "api_key": KEY,
        "admin_key": ADMIN_KEY,
        "stall_timeout_s": STALL_S,
        "first_token_timeout_s": FIRST_TOKEN_S,
        "log_level": "warning",
        **settings,
    }
    # What goes out passes the boundary, as at a real site; calls are for tools of this one.
    policy = folder / "policy.yaml"
    policy.write_text("rules: [{then: pseudonymise}]\nsite_tools: ['*']\n", encoding="utf-8")
    lines = [f"{name} = {value!r}" for name, value in given.items()]
    lines += ["", "[adapter.egress]", f"policy = {str(policy)!r}"]
    (folder / "hoheit.toml").write_text(
        "\n".join(["[embedded]", "enabled = false", "", "[adapter]", *lines]) + "\n"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOHEIT_")}
    environment = {"PYTHONPATH": str(CHECKOUT), **inherited, "HOHEIT_HOME": str(folder)}
    log = folder / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hoheit", "adapter"),
            cwd=folder,
            env=environment,
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        running = Adapter(f"http://127.0.0.1:{port}", process.pid, log)
        await _answering(running, process)
        yield running
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _answering(running: Adapter, process: Process) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(_START_S * 20):
            with suppress(aiohttp.ClientError):
                async with session.get(f"{running.url}/health") as response:
                    if response.status == 200:
                        return
            if process.returncode is not None:
                break
            await asyncio.sleep(0.05)
    raise SystemExit(f"The adapter did not start:\n{running.log.read_text(errors='replace')}")

"""Starts the parts, watches them, and stops every process it started."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp

from hoheit.errors import HoheitError, StartError
from hoheit.home import Home, make_folder
from hoheit.orphans import PARENT_VARIABLE
from hoheit.parts import Part
from hoheit.state import PartState, Process, RunState, State, save

_POLL_S = 0.1
_STOP_S = 10.0
_LOG_LIMIT = 10 * 2**20


class Supervisor:
    """Runs the given parts as child processes and keeps the state file true.

    `report` gets one line for a person when a part that was ready dies.
    """

    def __init__(self, parts: list[Part], home: Home, report: Callable[[str], None]) -> None:
        self._parts = {part.name: part for part in parts}
        self._home = home
        self._report = report
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False
        own = Process.of(os.getpid())
        assert own is not None  # noqa: S101 - this very process runs
        self._own = own
        self._states = {p.name: PartState(p.name, p.address, "stopped") for p in parts}

    @property
    def states(self) -> list[PartState]:
        return list(self._states.values())

    async def start(self, names: list[str], update: Callable[[str], None]) -> None:
        """Starts the named parts together and returns when all are ready.

        Raises StartError for the first one that dies or does not get ready in its time.
        """
        waits = [asyncio.create_task(self._start_one(self._parts[name])) for name in names]
        pending = set(waits)
        try:
            while pending:
                waiting = [state.name for state in self.states if state.state == "starting"]
                update(f"waiting for {', '.join(waiting)}" if waiting else "")
                done, pending = await asyncio.wait(
                    pending, timeout=1.0, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def stop(self, at_once: asyncio.Event) -> None:
        """Ends every child and its descendants: asks first, kills after ten seconds or `at_once`."""
        self._stopping = True
        self._signal(signal.SIGTERM)
        ended = asyncio.create_task(self._all_ended())
        hurry = asyncio.create_task(at_once.wait())
        await asyncio.wait([ended, hurry], timeout=_STOP_S, return_when=asyncio.FIRST_COMPLETED)
        self._signal(signal.SIGKILL)
        await ended
        hurry.cancel()
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for name, state in self._states.items():
            if state.state != "failed":
                self._states[name] = PartState(name, state.address, "stopped")
        self._write_down()

    async def _start_one(self, part: Part) -> None:
        log = self._home.logs / f"{part.name}.log"
        make_folder(log.parent, private=True)
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        before = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *part.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Its own group, so that Ctrl-C in the terminal reaches only the supervisor.
                start_new_session=True,
                env={
                    **os.environ,
                    **part.variables,
                    "HOHEIT_HOME": str(self._home.path),
                    PARENT_VARIABLE: str(os.getpid()),
                },
            )
        self._children[part.name] = child
        self._set(part, "starting", child, "starting")
        deadline = time.monotonic() + part.start_seconds
        async with aiohttp.ClientSession() as session:
            while not await answers(session, part.address + part.health):
                if child.returncode is not None:
                    why = f"{_ended(child.returncode)}: {last_words(log, before)}"
                    self._set(part, "failed", None, why)
                    raise StartError(f"{part.name} {why}", f"Its whole log: {log}.")
                if time.monotonic() > deadline:
                    why = f"did not answer at {part.address}{part.health} in {part.start_seconds:.0f} s"
                    self._set(part, "failed", child, why)
                    raise StartError(f"{part.name} {why}.", f"Its log says why: {log}.")
                await asyncio.sleep(_POLL_S)
        self._set(part, "ready", child, "")
        self._watchers.append(asyncio.create_task(self._watch(part, child, log, before)))

    async def _watch(
        self, part: Part, child: asyncio.subprocess.Process, log: Path, before: int
    ) -> None:
        code = await child.wait()
        if self._stopping:
            return
        # What it started would go on and keep its memory, as vLLM's engine does when its server is killed.
        _signal_group(child.pid, signal.SIGKILL)
        why = f"{_ended(code)}: {last_words(log, before)}"
        self._set(part, "failed", None, why)
        self._report(
            f"✘ {part.name} died: {why}\n"
            f"  The other parts go on. Its log: {log}. Ctrl-C and 'hoheit up' start everything again."
        )

    def _set(
        self, part: Part, state: State, child: asyncio.subprocess.Process | None, detail: str
    ) -> None:
        process = Process.of(child.pid) if child else None
        self._states[part.name] = replace(
            self._states[part.name], state=state, process=process, detail=detail
        )
        self._write_down()

    def _write_down(self) -> None:
        try:
            save(self._home, RunState(self._own, self.states))
        except HoheitError as error:  # a disk that is full now must not stop what runs
            self._report(f"! 'hoheit status' cannot be kept true: {error}")

    async def _all_ended(self) -> None:
        await asyncio.gather(*(child.wait() for child in self._children.values()))

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children.values():
            _signal_group(child.pid, number)


def _signal_group(leader: int, number: signal.Signals) -> None:
    """To all that a part consists of; its group outlives its leader where that leaves workers behind."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether a GET of `url` gives 200 within two seconds."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=2.0)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def last_words(log: Path, before: int, limit: int = 300) -> str:
    """Why a part ended, in its own words: what it wrote last after the first `before` bytes of its log."""
    try:
        with log.open("rb") as file:
            file.seek(max(before, log.stat().st_size - 8192))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return "it left no log"
    said = [line.strip() for line in lines if line.strip()]
    # Our own error, which names a remedy; an engine's threads may still write a line after it.
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return (errors or said or ["it wrote nothing"])[-1][:limit]


def _ended(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    return f"was killed by {signal.Signals(-code).name}"

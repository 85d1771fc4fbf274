"""Nodes and a gateway as processes of their own, started as `hoheit` starts them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

_MAIN = Path(__file__).resolve().parents[2] / "backend_adapter" / "petals" / "__main__.py"
_START_S = 60.0
_STOP_S = 10.0


class Process:
    """One part of the swarm, which has said what `until` waits for; `lines` are what it has said."""

    def __init__(self, part: str, settings: dict[str, Any], until: str = "ready") -> None:
        self.lines: list[str] = []
        self._ready = threading.Event()
        self._until = until
        self._mark = f"SWARM_TEST={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        self._process = subprocess.Popen(
            [sys.executable, str(_MAIN), part],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", name: value},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(settings))
        self._process.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()

    def started(self) -> "Process":
        """Wait until it has said so."""
        if not self._ready.wait(_START_S) or not self.said(self._until):
            self.stop()
            raise AssertionError("it did not start:\n" + "\n".join(self.lines))
        return self

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def addresses(self) -> list[str]:
        """Where a node is reached."""
        return [each.removeprefix("address ") for each in self.lines if each.startswith("address ")]

    def left(self) -> list[str]:
        """The commands of processes that it has started, in whichever session, and that still run."""
        commands = []
        for folder in Path("/proc").glob("[0-9]*"):
            # Those of others cannot be read, and some end meanwhile.
            with contextlib.suppress(OSError):
                if self._mark.encode() in (folder / "environ").read_bytes():
                    commands.append((folder / "cmdline").read_text().replace("\0", " "))
        return commands

    def said(self, text: str) -> bool:
        """Whether one of its lines begins so."""
        return any(each.startswith(text) for each in list(self.lines))

    def kill(self) -> None:
        """End it outright, with all that it has started."""
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_STOP_S)

    def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self._process.wait(_STOP_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it as a user would; the exit status, or that of a kill where it does not end."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as said:
            for line in said:
                self.lines.append(line.rstrip("\n"))
                if line.startswith(self._until):
                    self._ready.set()
        self._ready.set()


def together(starting: list[Callable[[], Process]]) -> list[Process]:
    """Start several at once and wait for all."""
    begun = [each() for each in starting]
    try:
        return [each.started() for each in begun]
    except AssertionError:
        for each in begun:
            each.stop()
        raise

"""What `hoheit up` runs, written down so that `status` and `down` know it from another terminal."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

import psutil

from hoheit.home import Home, write_whole

State: TypeAlias = Literal["starting", "ready", "failed", "stopped"]


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """The process with this number, or None when there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def lives(self) -> bool:
        """Whether it still runs; a zombie that nobody has reaped does not."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.created and process.status() != "zombie"
        except psutil.NoSuchProcess:
            return False


@dataclass(frozen=True)
class PartState:
    """One part as it was last seen. `detail` says why it failed, or what it is doing."""

    name: str
    address: str
    state: State
    process: Process | None = None
    detail: str = ""

    def public(self) -> dict[str, object]:
        """The row of `hoheit status --json`."""
        pid = self.process.pid if self.process else None
        return {
            "name": self.name,
            "address": self.address,
            "state": self.state,
            "pid": pid,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class RunState:
    """The supervisor and its parts."""

    supervisor: Process
    parts: list[PartState] = field(default_factory=list)


def save(home: Home, state: RunState) -> None:
    """Replaces what was written before; raises HoheitError when the disk refuses."""
    write_whole(home.state_file, json.dumps(asdict(state), indent=1))


def load(home: Home) -> RunState | None:
    """What was last written, or None when nothing was started here yet or the file is not readable as such."""
    try:
        raw = json.loads(home.state_file.read_text(encoding="utf-8"))
        parts = [
            PartState(
                **{**part, "process": Process(**part["process"]) if part["process"] else None}
            )
            for part in raw["parts"]
        ]
        return RunState(Process(**raw["supervisor"]), parts)
    except (OSError, ValueError, KeyError, TypeError):
        return None

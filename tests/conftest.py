"""What every test may use: free ports, and the whole house running for real."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("hoheit", deadline=None)
settings.load_profile("hoheit")

REPOSITORY = Path(__file__).resolve().parent.parent
ENVIRONMENTS = Path(os.environ.get("HOHEIT_ENVIRONMENTS_DIR") or REPOSITORY / ".environments")
SECTIONS = ("open_webui", "adapter", "embedded", "files", "databases")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> int:
    """The first of so many ports in a row that were free a moment ago."""
    while True:
        first = free_port()
        probes = [socket.socket() for _ in range(count)]
        try:
            for number, probe in enumerate(probes):
                probe.bind(("127.0.0.1", first + number))
            return first
        except (OSError, OverflowError):
            continue
        finally:
            for probe in probes:
                probe.close()


def wait_until(condition: Any, what: str, seconds: float = 30.0) -> Any:
    """Polls until the condition holds and returns its value; fails with `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    pytest.fail(f"not in {seconds:.0f} s: {what}")


@dataclass
class House:
    """A site of its own in a temporary home, run by the real `hoheit up` (a context manager)."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: {s: free_port() for s in SECTIONS})
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOHEIT_")}
        ports = {f"HOHEIT_{s.upper()}__PORT": str(port) for s, port in self.ports.items()}
        return {
            **clean,
            "HOHEIT_HOME": str(self.home),
            "HOHEIT_ENVIRONMENTS_DIR": str(ENVIRONMENTS),
            **ports,
            **self.variables,
        }

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.up.log"

    def address(self, section: str) -> str:
        return f"http://127.0.0.1:{self.ports[section]}"

    def secret(self, name: str) -> str:
        return (self.home / "secrets" / name).read_text().strip()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self, *options: str) -> None:
        """Starts `hoheit up` without waiting for it."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hoheit", "up", *options],
                env=self.environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def wait_ready(self, seconds: float = 240.0) -> None:
        def up() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                pytest.fail(f"hoheit up ended with {self.process.returncode}:\n{self.output()}")
            return "Hoheit is up" in self.output()

        wait_until(up, f"hoheit up is ready; it says:\n{self.output()}", seconds)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs one command of the command line in this house."""
        return subprocess.run(
            [sys.executable, "-m", "hoheit", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def parts(self) -> dict[str, dict[str, Any]]:
        """`hoheit status --json`, by name."""
        rows = json.loads(self.run("status", "--json").stdout)["parts"]
        return {row["name"]: row for row in rows}

    def stop(self) -> int:
        """Ctrl-C; returns the exit status of `hoheit up`."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)


@contextmanager
def running_house(home: Path, **variables: str) -> Iterator[House]:
    house = House(home, variables)
    house.start()
    try:
        house.wait_ready()
        yield house
    finally:
        house.stop()

"""A site without Open WebUI in a temporary home, for benchmarks."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PARTS = ("adapter", "embedded", "files", "databases")


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI API (`base_url` ends in /v1) or an MCP server, and the key to it."""

    base_url: str
    key: str


@dataclass(frozen=True)
class Site:
    """The running parts that a benchmark talks to; `files` is the address of the MCP server."""

    adapter: Endpoint
    engine: Endpoint
    files: Endpoint


@contextmanager
def running_site() -> Iterator[Site]:
    """Starts the real parts with `hoheit up` and stops them afterwards."""
    with tempfile.TemporaryDirectory(prefix="hoheit-bench-") as folder:
        ports = {name: _free_port() for name in _PARTS}
        variables = {f"HOHEIT_{name.upper()}__PORT": str(port) for name, port in ports.items()}
        environment = {
            **os.environ,
            **variables,
            "HOHEIT_HOME": folder,
            "HOHEIT_OPEN_WEBUI__ENABLED": "false",
        }
        log = Path(folder) / "up.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hoheit", "up"],
                env=environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        try:
            deadline = time.monotonic() + 60
            while "Hoheit is up" not in log.read_text(errors="replace"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the site did not start:\n{log.read_text(errors='replace')}")
                time.sleep(0.1)
            yield Site(
                _endpoint(folder, ports["adapter"], "adapter-key"),
                _endpoint(folder, ports["embedded"], "embedded-key"),
                Endpoint(f"http://127.0.0.1:{ports['files']}/mcp", _secret(folder, "files-token")),
            )
        finally:
            process.terminate()
            process.wait(timeout=30)


def _endpoint(home: str, port: int, secret: str) -> Endpoint:
    return Endpoint(f"http://127.0.0.1:{port}/v1", _secret(home, secret))


def _secret(home: str, name: str) -> str:
    return (Path(home) / "secrets" / name).read_text().strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

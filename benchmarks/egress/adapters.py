"""Starts the adapter as `hoheit adapter` does, before an upstream that belongs to the site or to anybody."""

import http.client
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.egress.peers.running import CHECKOUT
from benchmarks.gateway.programs import running
from benchmarks.gateway.proxies import free_port
from benchmarks.site import Endpoint

KEY = "sk-egress-benchmark"
_START_S = 180.0


@contextmanager
def adapter(
    folder: Path,
    upstream: Endpoint,
    model: str,
    trust: str,
    dictionaries: Sequence[Mapping[str, str]] = (),
) -> Iterator[int]:
    """An adapter with its defaults, and the port that it listens on. Raises SystemExit."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    lists = "".join(
        "\n[[adapter.egress.dictionaries]]\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in each.items())
        for each in dictionaries
    )
    (folder / "hoheit.toml").write_text(
        f"[embedded]\nenabled = false\n\n[adapter]\nport = {port}\napi_key = '{KEY}'\n\n"
        f"[[adapter.upstreams]]\nname = 'far'\nbase_url = '{upstream.base_url}'\n"
        f"api_key = '{upstream.key}'\ntrust = '{trust}'\nmodels = ['{model}']\n{lists}",
        encoding="utf-8",
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOHEIT_")}
    environment = {**inherited, "PYTHONPATH": str(CHECKOUT), "HOHEIT_HOME": str(folder)}
    command = [sys.executable, "-m", "hoheit", "adapter"]
    with started("adapter", command, folder, port, "/ready", environment):
        yield port


@contextmanager
def started(
    name: str,
    command: Sequence[str],
    folder: Path,
    port: int,
    path: str,
    environment: Mapping[str, str],
) -> Iterator[None]:
    """Runs a server until it answers, and stops it in the end. Raises SystemExit with what it said last."""
    log = folder / f"{name}.log"
    with running(command, log, environment=environment) as process:
        deadline = time.monotonic() + _START_S
        while not _is_up(port, path):
            if time.monotonic() > deadline or process.status() == psutil.STATUS_ZOMBIE:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise SystemExit(f"{name} did not start:\n{tail}")
            time.sleep(0.2)
        yield


def _is_up(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {KEY}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

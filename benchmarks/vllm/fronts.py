"""What stands before the servers: the adapter, and vLLM's own router (`vllm-router`, in Rust)."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.gateway.proxies import CHECKOUT, free_port
from benchmarks.vllm.asking import Endpoint
from benchmarks.vllm.servers import Replica
from hoheit import environments
from hoheit.progress import Progress

_KEY = "sk-vllm-benchmark"
_START_S = 90.0
_STOP_S = 20.0


@contextmanager
def adapter(folder: Path, replicas: Sequence[Replica]) -> Iterator[Endpoint]:
    """The adapter as `hoheit adapter` starts it, with its defaults."""
    port = free_port()
    upstreams = "".join(
        f"[[adapter.upstreams]]\nname = '{each.name}'\ntrust = 'site'\nbase_url = '{each.endpoint.base_url}'\n"
        "engine = 'vllm'\n\n"
        for each in replicas
    )
    folder.mkdir()
    (folder / "hoheit.toml").write_text(
        f"[embedded]\nenabled = false\n\n[adapter]\nport = {port}\napi_key = '{_KEY}'\n\n{upstreams}"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HOHEIT_")}
    variables = {"PYTHONPATH": str(CHECKOUT), **inherited, "HOHEIT_HOME": str(folder)}
    command = [sys.executable, "-m", "hoheit", "adapter"]
    model = replicas[0].endpoint.model
    with _started("adapter", command, folder, variables, port, "ready"):
        yield Endpoint("adapter", f"http://127.0.0.1:{port}/v1", model, _KEY)


@contextmanager
def router(folder: Path, replicas: Sequence[Replica], progress: Progress) -> Iterator[Endpoint]:
    """vLLM's router with its defaults but for where it listens."""
    root = Path(os.environ.get("HOHEIT_ENVIRONMENTS_DIR", CHECKOUT / ".environments"))
    program = environments.ensure("vllm-router", root, progress) / "bin" / "vllm-router"
    port, metrics = free_port(), free_port()
    folder.mkdir()
    command = [str(program), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--prometheus-port", str(metrics), "--prometheus-host", "127.0.0.1"]
    command += ["--worker-urls", *(f"http://127.0.0.1:{each.port}" for each in replicas)]
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    model = replicas[0].endpoint.model
    with _started("vllm-router", command, folder, variables, port, "health"):
        yield Endpoint("router", f"http://127.0.0.1:{port}/v1", model)


@contextmanager
def _started(
    name: str,
    command: list[str],
    folder: Path,
    variables: Mapping[str, str],
    port: int,
    path: str,
) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=dict(variables),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_S
        while not _healthy(port, path):
            if time.monotonic() > deadline or process.poll() is not None:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
                raise SystemExit(f"{name} did not start:\n{tail}")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _healthy(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as told:
            return bool(told.status == 200)
    except (OSError, urllib.error.URLError):
        return False

"""vLLM servers as processes that a test can start, look into, kill and be rid of."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from models import CACHE, INSIDE, environment

import backend_adapter.vllm
from backend_adapter.settings import UpstreamSettings

LOGS = CACHE / "logs"
ANSWERS = CACHE / "answers"
START_S = 180
STOP_S = 20
# The wheel for processors is called otherwise than the package in it, which asks for its own version by name.
_METADATA = Path(backend_adapter.vllm.__file__).parent / "metadata"
_VARIABLES = {
    "PYTHONPATH": f"{_METADATA}:{INSIDE}",
    "FORCED_ANSWERS": str(ANSWERS),
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CACHE_ROOT": str(CACHE / "compiled"),
    "GLOO_SOCKET_IFNAME": "lo",
    "VLLM_HOST_IP": "127.0.0.1",
}
# float32, because there equal sums are equal tokens wherever they are computed.
_ARGUMENTS = ("--dtype", "float32", "--max-model-len", "2048", "--max-num-seqs", "32")
# Compiling takes a minute at every start.
EAGER = ("--enforce-eager",)
FORCED = ("--logits-processors", "forced:Forced")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def on_core(core: int | str) -> dict[str, str]:
    """Variables of a server that does not share its core with another, which by itself would choose the same."""
    return {"VLLM_CPU_OMP_THREADS_BIND": str(core), "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}


class VllmServer:
    """One `vllm serve` on a port of its own, whose model is called `name`."""

    def __init__(
        self,
        name: str,
        model: Path,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        log: str = "",
    ) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = ["serve", str(model), "--host", "127.0.0.1", "--port", str(self.port)]
        self._command += ["--served-model-name", name, *_ARGUMENTS, *arguments]
        self._variables = {**_VARIABLES, **(variables or {})}
        self._log = LOGS / f"{log or name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = environment("vllm") / "bin" / "vllm"
        for folder in (LOGS, ANSWERS):
            folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *self._command],
                env={**os.environ, **self._variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def ready(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.running(), f"{self._log} ends with\n{self.log()[-3000:]}"
            return self.healthy()

        until(answers, START_S, f"{self._log} tells why {self.name} does not start")

    def metrics(self) -> dict[str, float]:
        """The numbers that it shows; of those with several labels, the sum."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        numbers: dict[str, float] = {}
        for line in lines:
            if not line.startswith("#"):
                name, value = line.partition("{")[0].split()[0], float(line.rsplit(" ", 1)[1])
                numbers[name] = numbers.get(name, 0) + value
        return numbers

    def processes(self) -> dict[int, str]:
        """Those that it consists of, with the titles that vLLM gives them (`VLLM::EngineCore`)."""
        assert self._process is not None
        return dict(_session(self._process.pid))

    def kill(self, title: str) -> None:
        """End one of its processes as a crash would."""
        [pid] = [pid for pid, each in self.processes().items() if each.startswith(title)]
        os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it with all its processes, which it may have left behind."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_S)
        until(lambda: not self.processes(), STOP_S, "processes of vLLM are left")
        self._process = None

    def upstream(self, name: str, port: int | None = None) -> UpstreamSettings:
        """How the adapter reaches it, directly or by the port of a proxy."""
        base_url = f"http://127.0.0.1:{port or self.port}/v1"
        return UpstreamSettings(name=name, base_url=base_url, engine="vllm")


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until it holds; `what` went wrong if it never does."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _session(leader: int) -> Sequence[tuple[int, str]]:
    """The living processes of a session with their command lines."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append((int(folder.name), title))
    return found

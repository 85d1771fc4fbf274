"""Real vLLM servers of this machine, each on its own core, as `hoheit vllm serve` starts them."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.vllm.asking import Endpoint
from hoheit.home import Home
from hoheit.progress import Progress
from hoheit.settings import Settings
from hoheit.vllm.launch import server

_START_S = 180.0
_STOP_S = 20.0


class Replica:
    """One server: started, killed as its host would be or by its engine alone, and started again."""

    def __init__(self, number: int, settings: Settings, home: Home, progress: Progress) -> None:
        self.name = f"vllm-{number + 1}"
        self.port = settings.vllm.ports[number]
        self.endpoint = Endpoint(
            self.name, f"http://127.0.0.1:{self.port}/v1", settings.vllm.model_id
        )
        self._given = server(number, settings, home, progress)
        self._log = home.path / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it without waiting for it."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._given.program, *self._given.command.arguments],
                env=self._given.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self) -> None:
        """Wait until it answers. Raises SystemExit with the end of its log where it does not."""
        deadline = time.monotonic() + _START_S
        while not self._healthy():
            if time.monotonic() > deadline or self._of().poll() is not None:
                tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])
                raise SystemExit(f"{self.name} did not start:\n{tail}")
            time.sleep(0.2)

    def kill(self) -> None:
        """All of it at once, as when its host loses power."""
        with suppress(ProcessLookupError):
            os.killpg(self._of().pid, signal.SIGKILL)
        self._of().wait()

    def kill_engine(self) -> None:
        """Its engine only: the process that answers lives on for a moment."""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and self._is_engine(folder):
                os.kill(int(folder.name), signal.SIGKILL)

    def stop(self) -> None:
        """End it with all its processes."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        self.kill()

    def _is_engine(self, folder: Path) -> bool:
        try:
            title = (folder / "cmdline").read_bytes()
            group = (folder / "stat").read_text().rpartition(")")[2].split()[2]
        except OSError:
            return False
        return title.startswith(b"VLLM::EngineCore") and int(group) == self._of().pid

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as told:
                return bool(told.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _of(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - it was started
        return self._process


@contextmanager
def running(replicas: list[Replica], progress: Progress) -> Iterator[None]:
    """Start these servers, and stop them afterwards."""
    try:
        with progress.step(f"Starting {', '.join(each.name for each in replicas)}"):
            for each in replicas:
                each.start()
            for each in replicas:
                each.ready()
        yield
    finally:
        for each in replicas:
            each.stop()

"""Builds the two C programs of this benchmark, and runs programs pinned to cores so that none outlives it."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

_SOURCES = Path(__file__).resolve().parent
_OPEN_FILES = 8192
_STOP_S = 15


@contextmanager
def split_cores() -> Iterator[str]:
    """Keeps this process, and what it starts, to all cores but the last, which is yielded
    for the proxies.

    Raises SystemExit on a machine with one core.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit(
            "The gateway benchmark needs two cores: one for the proxy, one for the load."
        )
    os.sched_setaffinity(0, allowed[:-1])
    try:
        yield str(allowed[-1])
    finally:
        os.sched_setaffinity(0, allowed)


def allow_open_files() -> None:
    """Raises the limit of open files for this process and what it starts. Raises SystemExit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _OPEN_FILES:
        raise SystemExit(
            f"{_OPEN_FILES} open files are needed and {hard} are allowed: raise it with 'ulimit -Hn'."
        )
    if soft < _OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, hard))


def build(name: Literal["upstream", "load"], folder: Path) -> Path:
    """Compiles `name`.c into `folder`. Raises SystemExit where gcc is missing or fails."""
    if shutil.which("gcc") is None:
        raise SystemExit("The gateway benchmark needs gcc (apt-get install gcc libc6-dev).")
    program = folder / name
    source = _SOURCES / f"{name}.c"
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(f"{source.name} does not compile:\n{done.stderr}")
    return program


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    cores: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[psutil.Process]:
    """Runs `command` in the folder of its `log`, in its own session, and stops it in the end.

    The kernel ends it too, should this process be killed.
    """
    pinned = ["taskset", "-c", cores] if cores else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *pinned, *command],
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_STOP_S)


@contextmanager
def running_upstream(folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The scripted upstream and its port."""
    log = folder / "upstream.log"
    with running([str(build("upstream", folder)), "0"], log) as process:
        deadline = time.monotonic() + 10
        while not log.read_text().startswith("port ") and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process, int(log.read_text().removeprefix("port "))


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds that a process and its children have used, of user and system, to the nanosecond.

    Reads each process's own clock (clock_getcpuclockid(3)): /proc counts in hundredths of a second, which is
    more than a short answer costs.
    """
    tree = [process.pid, *(child.pid for child in process.children(recursive=True))]
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in tree)


def rss_mb(process: psutil.Process) -> float:
    """Resident memory of a process and its children, in MB (10^6 bytes)."""
    tree = [process, *process.children(recursive=True)]
    return sum(each.memory_info().rss for each in tree) / 1e6


@dataclass(frozen=True)
class Load:
    """What the load client saw; its times are in milliseconds and sorted, and `cpu_s` is its own."""

    answers: int
    chunks: int
    words: int
    lost: int
    reordered: int
    duplicated: int
    broken: int
    wall_s: float
    cpu_s: float
    first_ms: tuple[float, ...]

    def percentile(self, percent: float) -> float:
        """The wait for the first word that `percent` of the answers did not exceed, in milliseconds."""
        if not self.first_ms:
            return float("nan")
        return self.first_ms[min(len(self.first_ms) - 1, int(len(self.first_ms) * percent / 100))]


@dataclass(frozen=True)
class Questions:
    """What to ask for: answers of so many `words`, which the upstream says at `rate` a second (0: at once).

    `connections` share the `answers`, by default one each, and begin spread over `ramp_ms` milliseconds; what
    takes longer than `limit_s` seconds counts as broken.
    """

    rate: int
    words: int
    connections: int
    answers: int | None = None
    ramp_ms: int = 0
    limit_s: int = 120
    stream: bool = True


def ask(client: Path, port: int, key: str, questions: Questions) -> Load:
    """Runs the compiled load client. Raises SystemExit when the server cannot be reached."""
    answers = questions.answers or questions.connections
    numbers = (
        questions.words,
        questions.connections,
        answers,
        questions.ramp_ms,
        questions.limit_s,
    )
    command = [str(client), str(port), key, f"scripted-{questions.rate}", *map(str, numbers)]
    done = subprocess.run(
        [*command, "stream" if questions.stream else "whole"],
        capture_output=True,
        text=True,
        timeout=questions.limit_s + 30,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The load client failed: {done.stderr or done.returncode}")
    seen = json.loads(done.stdout)
    return Load(**{**seen, "first_ms": tuple(seen["first_ms"])})

"""Builds the virtual environments from the pinned, hash-locked lists in `environments/`.

Open WebUI, Petals and vLLM pin versions that exclude each other, so each gets an environment of its own,
built at first use and found again by the hash of its lists. Standard library only: `make` runs this file
before the project's own environment exists:

    python3 -m hoheit.environments project .venv hoheit weights
    python3 -m hoheit.environments isolated open-webui .environments
    python3 -m hoheit.environments isolated petals .environments petals-dev
    python3 -m hoheit.environments where petals .environments

Lists after the folder are added to the environment: what tests need besides. `where` prints its folder.
"""

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hoheit.errors import BuildError, HoheitError
from hoheit.progress import Progress

LISTS = Path(__file__).resolve().parent.parent / "environments"

# What each isolated environment is made of, in the order of installation.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "open-webui": ("open-webui",),
    "open-webui-full": ("torch", "open-webui-full"),
    "petals": ("torch", "petals"),
    "vllm": ("torch", "vllm"),
    "vllm-gpu": ("vllm-gpu",),
    # What benchmarks compare with.
    "litellm": ("litellm",),
    "presidio": ("presidio",),
    "llm-guard": ("torch", "llm-guard"),
    "vllm-router": ("vllm-router",),
}

_MARKERS = "installed-lists"
_SIZE = re.compile(r"^# size: download (\d+) MB, disk (\d+) MB", re.MULTILINE)
_COLLECTING = re.compile(r"^Collecting (\S+)")
_DOWNLOADING = re.compile(r"^\s*Downloading (\S+?)-[^-\s]+.* \((.+)\)")
_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)")


def location(name: str, root: Path) -> Path:
    """Where the environment `name` lies under `root`; the folder changes when its lists do."""
    digest = hashlib.sha256(b"".join(_list(part).read_bytes() for part in ENVIRONMENTS[name]))
    return root / f"{name}-{digest.hexdigest()[:12]}"


def is_built(name: str, root: Path) -> bool:
    """Whether `ensure(name, root)` would find the environment complete."""
    return not _missing(location(name, root), ENVIRONMENTS[name])


def ensure(name: str, root: Path, progress: Progress) -> Path:
    """Returns the folder of the environment `name`, building it first where it is missing.

    Raises BuildError; what was half-built is removed then, so the next call starts afresh.
    """
    directory = location(name, root)
    if is_built(name, root):
        return directory
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / f".{directory.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second builder waits, and then finds it built
            new = not directory.exists()
            try:
                install(directory, ENVIRONMENTS[name], progress)
            except BaseException:
                if new:
                    shutil.rmtree(directory, ignore_errors=True)
                raise
    except OSError as error:
        raise BuildError(
            f"The environment {directory} cannot be written: {error.strerror}.",
            "Free disk space, or set HOHEIT_ENVIRONMENTS_DIR to a folder that this user may write.",
        ) from error
    return directory


def install(directory: Path, lists: Sequence[str], progress: Progress) -> None:
    """Installs the named lists into the virtual environment at `directory`, creating it if needed.

    A list that is installed already with the same content is left alone, without asking the network.
    """
    missing = _missing(directory, lists)
    if not missing:
        return
    download, disk = (sum(column) for column in zip(*map(_size, missing), strict=True))
    title = f"Installing {' and '.join(missing)}"
    if disk:
        title += f" (downloads up to {download} MB, takes {disk} MB)"
    _require_space(directory, disk)
    with progress.step(title) as step:
        if not (directory / "bin" / "python").exists():
            step.update("creating the virtual environment")
            _run([sys.executable, "-m", "venv", str(directory)], lambda line: None)
        for name in _missing(directory, ("pip", *missing)):
            _pip_install(directory, name, step.update)


def _pip_install(directory: Path, name: str, report: Callable[[str], None]) -> None:
    path = _list(name)
    text = path.read_text(encoding="utf-8")
    total = sum(1 for line in text.splitlines() if "==" in line and not line.startswith("#"))
    command = [str(directory / "bin" / "python"), "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", "-r", str(path)]
    if "--hash=" in text:
        # The list is complete, so a dependency that it leaves out is left out on purpose.
        command += ["--require-hashes", "--no-deps"]
    if name != "pip":  # the raw form came with a later pip than the one that venv brings
        command += ["--progress-bar", "raw"]
    done = 0
    current = ""

    def read(line: str) -> None:
        nonlocal done, current
        if _COLLECTING.match(line):
            done += 1
        elif found := _DOWNLOADING.match(line):
            current = f"{found[1]} ({found[2]})"
            report(f"{done} of {total}: downloading {current}")
        elif found := _PROGRESS.match(line):
            share = 100 * int(found[1]) // max(1, int(found[2]))
            report(f"{done} of {total}: downloading {current} {share} %")
        elif line.startswith("Installing collected packages"):
            report(f"unpacking {total} packages")

    _run(command, read)
    marker = _marker(directory, name)
    marker.parent.mkdir(exist_ok=True)
    marker.touch()


def _run(command: list[str], read: Callable[[str], None]) -> None:
    """Runs a command in its own process group, which ends with it whatever happens here."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"},
    )
    tail: list[str] = []
    try:
        assert process.stdout is not None  # noqa: S101 - stdout=PIPE above
        for line in process.stdout:
            tail = [*tail[-19:], line.rstrip()]
            read(line)
        code = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code:
        output = "\n".join(line for line in tail if not line.startswith("Progress "))
        raise BuildError(f"'{' '.join(command[:5])} …' failed:\n{output}\n", _remedy(output))


def _remedy(output: str) -> str:
    if "No space left on device" in output:
        return "Free disk space, or move the environments with HOHEIT_ENVIRONMENTS_DIR."
    if "do not match the hashes" in output.lower() or "THESE PACKAGES DO NOT MATCH" in output:
        return (
            "A package differs from the one that was locked: do not install it; check the mirror."
        )
    if re.search(r"resolution|unreachable|timed out|ConnectTimeout|No matching", output):
        return (
            "Check that this machine reaches its Python package index, then run the command again."
        )
    return "Run the command again; if it fails the same way, the lines above say why."


def _require_python() -> None:
    if not (3, 11) <= sys.version_info < (3, 13):
        found = ".".join(map(str, sys.version_info[:3]))
        raise BuildError(
            f"This is Python {found}; 3.11 or 3.12 is needed.",
            "Name one that is installed, as in 'make up PYTHON=python3.11'.",
        )


def _require_space(directory: Path, disk_mb: int) -> None:
    parent = directory
    while not parent.exists():
        parent = parent.parent
    free_mb = shutil.disk_usage(parent).free // 2**20
    if free_mb < disk_mb + 200:
        raise BuildError(
            f"{parent} has {free_mb} MB free, and {directory.name} needs {disk_mb + 200} MB.",
            "Free disk space, or set HOHEIT_ENVIRONMENTS_DIR to a larger disk.",
        )


def _size(name: str) -> tuple[int, int]:
    found = _SIZE.search(_list(name).read_text(encoding="utf-8"))
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _list(name: str) -> Path:
    path = LISTS / f"{name}.txt"
    if not path.is_file():
        raise BuildError(
            f"The pinned list {path} is missing.",
            "Run from a checkout of the project (the lists are not part of the installed package).",
        )
    return path


def _marker(directory: Path, name: str) -> Path:
    digest = hashlib.sha256(_list(name).read_bytes()).hexdigest()[:12]
    return directory / _MARKERS / f"{name}-{digest}"


def _missing(directory: Path, lists: Sequence[str]) -> list[str]:
    return [name for name in lists if not _marker(directory, name).exists()]


def main(arguments: Sequence[str]) -> int:
    """What the Makefile calls; see the head of this file."""
    kind, first, *rest = arguments
    try:
        _require_python()
        if kind == "project":
            install(Path(first), rest, Progress())
        elif kind == "where":
            print(location(first, Path(rest[0])))  # noqa: T201 - a command's own output
        else:
            root, *more = rest
            progress = Progress()
            install(ensure(first, Path(root), progress), more, progress)
    except HoheitError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

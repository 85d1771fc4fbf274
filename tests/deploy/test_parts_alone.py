"""Every part starts as its container and its unit start it: alone, with its own secrets only."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from compose_file import OURS, PARTS, REPOSITORY, SERVICES, arguments

START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def variables(name: str, folder: Path) -> dict[str, str]:
    """What the container's process sees, with the mounted paths where they are on this machine."""
    given = {
        key: value.replace("/site/", f"{REPOSITORY}/examples/site/").replace("0.0.0.0", "127.0.0.1")
        for key, value in SERVICES[name].get("environment", {}).items()
    }
    own = {key: value for key, value in os.environ.items() if not key.startswith("HOHEIT_")}
    secrets = folder / "secrets"
    secrets.mkdir()
    for secret in SERVICES[name]["secrets"]:
        (secrets / secret).write_text(f"test-only-{secret}-long-enough\n", encoding="utf-8")
    return {
        **own,
        **given,
        "HOHEIT_HOME": str(folder / "home"),
        "HOHEIT_SECRETS_DIR": str(secrets),
        "NO_PROXY": "127.0.0.1",
    }


@contextmanager
def running(
    command: list[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "hoheit", *command], env=env, stdout=out, stderr=out
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
                process.wait()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("name", PARTS)
def test_part_starts_with_its_own_secrets_and_makes_no_other(name: str, tmp_path: Path) -> None:
    port = free_port()
    env = {**variables(name, tmp_path), f"HOHEIT_{name.upper()}__PORT": str(port)}
    log = tmp_path / "log"

    with running(SERVICES[name]["command"], env, log) as process:
        deadline = time.monotonic() + START_SECONDS
        while not healthy(port):
            assert process.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < deadline, log.read_text("utf-8")
            time.sleep(0.1)

    assert {file.name for file in (tmp_path / "secrets").iterdir()} == set(
        SERVICES[name]["secrets"]
    )


def test_provisioning_needs_only_its_own_secrets(tmp_path: Path) -> None:
    env = variables("provision", tmp_path)
    unreachable = f"--url=http://127.0.0.1:{free_port()}"
    command = [unreachable if part.startswith("--url") else part for part in provision_command()]

    done = subprocess.run(
        [sys.executable, "-m", "hoheit", *command], env=env, capture_output=True, timeout=60
    )

    assert done.returncode == 1
    assert b"secret" not in done.stderr
    assert {file.name for file in (tmp_path / "secrets").iterdir()} == set(
        SERVICES["provision"]["secrets"]
    )


def provision_command() -> list[str]:
    command: list[str] = SERVICES["provision"]["command"]
    return command


@pytest.mark.parametrize("name", [name for name in OURS if SERVICES[name]["command"]])
def test_command_and_its_options_exist(name: str) -> None:
    given = arguments(SERVICES[name])
    command = [part for part in given if re.fullmatch(r"[a-z]+", part)]
    options = [part.split("=")[0] for part in given if part.startswith("--")]

    help_text = subprocess.run(
        [sys.executable, "-m", "hoheit", *command, "--help"],
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout

    assert f"hoheit {' '.join(command)} " in help_text
    for option in options:
        assert option in help_text

"""Every command explains itself with an example, and an error is a sentence, never a traceback."""

import subprocess
import sys

import pytest

COMMANDS = [
    "up", "down", "status", "doctor", "provision", "settings",
    "adapter", "files", "databases", "embedded", "open-webui",
]  # fmt: skip


def hoheit(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hoheit", *arguments],
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "100", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_names_every_command() -> None:
    text = hoheit("--help").stdout
    for command in COMMANDS:
        assert command in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = hoheit(command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"Example: hoheit {command}" in " ".join(result.stdout.split())


def test_an_unknown_variable_is_refused_with_the_likely_one() -> None:
    result = hoheit("status", HOHEIT_ADAPTER__PROT="1")
    assert result.returncode == 2
    assert "Did you mean HOHEIT_ADAPTER__PORT" in result.stderr
    assert "Traceback" not in result.stderr

"""Every command explains itself with an example, and an error is a sentence, never a traceback."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    "up", "down", "status", "doctor", "provision", "settings",
    "adapter", "files", "databases", "embedded", "open-webui",
]  # fmt: skip
OF_GROUPS = [
    "petals node", "petals gateway", "petals key",
    "vllm serve", "vllm launch", "vllm check", "vllm exec", "egress preview",
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


@pytest.mark.parametrize("command", [*COMMANDS, *OF_GROUPS])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = hoheit(*command.split(), "--help")
    assert result.returncode == 0, result.stderr
    assert f"Example: hoheit {command}" in " ".join(result.stdout.split())


def test_an_unknown_variable_is_refused_with_the_likely_one() -> None:
    result = hoheit("status", HOHEIT_ADAPTER__PROT="1")
    assert result.returncode == 2
    assert "Did you mean HOHEIT_ADAPTER__PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_preview_shows_a_text_as_it_would_leave(tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("Jörg Weißmüller\n", encoding="utf-8")
    listed = json.dumps([{"path": str(people), "kind": "person"}])
    given = {"HOHEIT_HOME": str(tmp_path), "HOHEIT_ADAPTER__EGRESS__DICTIONARIES": listed}
    text = "Was hat Herr Jörg Weissmüller vor?"

    shown = hoheit("egress", "preview", text, **given)
    assert shown.returncode == 0, shown.stderr
    assert re.fullmatch(r"Was hat Herr Mann-\w+ vor\?\n", shown.stdout)
    assert shown.stderr == "replaced: 1 × person\n"
    told = json.loads(hoheit("egress", "preview", "--json", text, **given).stdout)
    assert told == {"text": shown.stdout.strip(), "replaced": {"person": 1}}


def test_a_preview_with_a_list_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    listed = json.dumps([{"path": str(tmp_path / "gone.txt"), "kind": "person"}])
    given = {"HOHEIT_HOME": str(tmp_path), "HOHEIT_ADAPTER__EGRESS__DICTIONARIES": listed}
    result = hoheit("egress", "preview", "Hello", **given)
    assert result.returncode == 1
    assert "gone.txt cannot be read: No such file or directory" in result.stderr
    assert result.stdout == ""

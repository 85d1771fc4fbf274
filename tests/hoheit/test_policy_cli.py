"""`hoheit policy` and `hoheit egress preview`, as an admin runs them."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend_adapter.database import open_database
from backend_adapter.egress.labels import Labels, Registration

UPSTREAMS = """
[embedded]
enabled = false
[[adapter.upstreams]]
name = "near"
base_url = "http://127.0.0.1:1/v1"
trust = "partner"
[[adapter.upstreams]]
name = "own"
base_url = "http://127.0.0.1:2/v1"
trust = "site"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "hoheit.toml").write_text(UPSTREAMS, encoding="utf-8")
    return tmp_path


def run(home: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hoheit", *arguments],
        env={"PATH": "/usr/bin:/bin", "COLUMNS": "120", "HOHEIT_HOME": str(home)},
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def told(home: Path, *arguments: str) -> str:
    done = run(home, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_built_in_policy_is_shown_checked_and_set(home: Path) -> None:
    ours = home / "ours.yaml"
    ours.write_text(told(home, "policy", "show"), encoding="utf-8")
    assert "4 rules" in told(home, "policy", "check", str(ours))
    with (home / "hoheit.toml").open("a", encoding="utf-8") as file:
        file.write(f'[adapter.egress]\npolicy = "{ours}"\n')
    assert "[ours.yaml:14]" in told(home, "policy", "explain", "--class", "secret")


def test_a_wrong_policy_is_told_with_its_line(home: Path) -> None:
    wrong = home / "wrong.yaml"
    wrong.write_text("rules:\n  - {class: internal, then: send}\n  - {then: sent}\n", "utf-8")
    done = run(home, "policy", "check", str(wrong))
    assert done.returncode == 1
    assert "wrong.yaml, line 3: then" in done.stderr


def test_it_is_explained_what_becomes_of_a_request_and_by_which_line(home: Path) -> None:
    plain = told(home, "policy", "explain")
    assert plain == (
        "near (partner): what is internal leaves with pseudonyms for what is protected "
        "[built-in policy:12]\n"
    )
    assert "does not leave: the model of the site" in told(
        home, "policy", "explain", "--class", "secret"
    )
    [row] = json.loads(told(home, "policy", "explain", "--to", "own", "--json"))
    assert (row["action"], row["line"]) == ("send", "an upstream of the site")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--class", "geheim"], "geheim"), (["--to", "nobody"], "near, own")],
)
def test_what_there_is_not_is_refused_with_what_there_is(
    home: Path, arguments: list[str], says: str
) -> None:
    done = run(home, "policy", "explain", *arguments)
    assert done.returncode != 0
    assert says in done.stderr


def test_the_class_of_a_chat_and_its_switch_are_looked_up(home: Path) -> None:
    file = home / "data" / "adapter" / "adapter.db"

    async def register() -> None:
        async with open_database(SecretStr(f"sqlite+aiosqlite:///{file}")) as engine:
            labels = Labels(engine, 0)
            await labels.register(Registration("c1", "files/x", "confidential"))
            await labels.keep("c2", "anna", True)

    asyncio.run(register())
    assert "what is confidential" in told(home, "policy", "explain", "--chat", "c1")
    assert "[the chat's own switch]" in told(home, "policy", "explain", "--chat", "c2")
    assert "what is internal" in told(home, "policy", "explain", "--chat", "unknown")


def test_a_text_is_shown_as_it_would_leave(home: Path) -> None:
    text = "Überweisen Sie an Frau Anna Lang, DE89 3704 0044 0532 0130 00."
    done = run(home, "egress", "preview", text=text)
    assert done.returncode == 0, done.stderr
    assert "Anna Lang" not in done.stdout and "0532" not in done.stdout
    assert done.stdout.startswith("Überweisen Sie an Frau Dame-")
    assert "1 × IBAN, 1 × PERSON" in done.stderr

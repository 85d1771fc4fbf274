"""`hoheit policy` and `hoheit egress preview`, as an admin runs them."""

import asyncio
import json
from pathlib import Path

import pytest
from program import Program
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
def site(tmp_path: Path) -> Program:
    (tmp_path / "hoheit.toml").write_text(UPSTREAMS, encoding="utf-8")
    return Program(tmp_path)


def test_the_built_in_policy_is_shown_checked_and_set(site: Program) -> None:
    ours = site.home / "ours.yaml"
    ours.write_text(site.said("policy", "show"), encoding="utf-8")
    assert "4 rules" in site.said("policy", "check", str(ours))
    with (site.home / "hoheit.toml").open("a", encoding="utf-8") as file:
        file.write(f'[adapter.egress]\npolicy = "{ours}"\n')
    assert "[ours.yaml:14]" in site.said("policy", "explain", "--class", "secret")


def test_a_wrong_policy_is_told_with_its_line(site: Program) -> None:
    wrong = site.home / "wrong.yaml"
    wrong.write_text("rules:\n  - {class: internal, then: send}\n  - {then: sent}\n", "utf-8")
    assert "wrong.yaml, line 3: then" in site.refused("policy", "check", str(wrong))


def test_it_is_explained_what_becomes_of_a_request_and_by_which_line(site: Program) -> None:
    plain = site.said("policy", "explain")
    assert plain == (
        "near (partner): what is internal leaves with pseudonyms for what is protected "
        "[built-in policy:12]\n"
    )
    assert "does not leave: the model of the site" in site.said(
        "policy", "explain", "--class", "secret"
    )
    [row] = json.loads(site.said("policy", "explain", "--to", "own", "--json"))
    assert (row["action"], row["line"]) == ("send", "an upstream of the site")


def test_what_there_is_not_is_refused_with_what_there_is(site: Program) -> None:
    assert "near, own" in site.refused("policy", "explain", "--to", "nobody")
    assert "geheim" in site.refused("policy", "explain", "--class", "geheim", status=2)


def test_the_class_of_a_chat_and_its_switch_are_looked_up(site: Program) -> None:
    file = site.home / "data" / "adapter" / "adapter.db"

    async def register() -> None:
        async with open_database(SecretStr(f"sqlite+aiosqlite:///{file}")) as engine:
            labels = Labels(engine, 0)
            await labels.register(Registration("c1", "files/x", "confidential"))
            await labels.keep("c2", "anna", True)

    asyncio.run(register())
    assert "what is confidential" in site.said("policy", "explain", "--chat", "c1")
    assert "[the chat's own switch]" in site.said("policy", "explain", "--chat", "c2")
    assert "what is internal" in site.said("policy", "explain", "--chat", "unknown")


def test_a_text_is_shown_as_it_would_leave(site: Program) -> None:
    text = "Überweisen Sie an Frau Anna Lang, DE89 3704 0044 0532 0130 00."
    done = site.process("egress", "preview", text=text)
    left, said = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 0, said
    assert "Anna Lang" not in left and "0532" not in left
    assert left.startswith("Überweisen Sie an Frau Dame-")
    assert "1 × IBAN, 1 × PERSON" in said

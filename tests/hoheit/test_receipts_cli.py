"""`hoheit receipts` on a real database: lists, shows, verifies and exports what left."""

import asyncio
import csv
import hashlib
import io
import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from pydantic import SecretStr

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.record import Receipt
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from hoheit.receipts import verifying

COMMANDS = ["list", "show", "verify", "export"]
BODY = '{"messages":[{"role":"user","content":"Was hat Person-K7Q vor? ü"}],"model":"m"}'.encode()
NOW = datetime.now(UTC)


class SiteReceipts:
    """The receipts of a site in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "data" / "adapter" / "adapter.db"

    @property
    def url(self) -> SecretStr:
        return SecretStr(f"sqlite+aiosqlite:///{self.file}")

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "COLUMNS": "100", "HOHEIT_HOME": str(self.home)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "hoheit", "receipts", *arguments],
            env=self.environment,
            capture_output=True,
            timeout=60,
        )

    def said(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode()

    def refused(self, *arguments: str, status: int = 1) -> str:
        result = self.run(*arguments)
        assert result.returncode == status, result.stderr.decode()
        assert result.stdout == b""
        assert b"Traceback" not in result.stderr
        return result.stderr.decode()

    def append(self, *given: dict[str, Any], body: bytes | None = BODY) -> None:
        async def append() -> None:
            async with open_database(self.url) as engine:
                receipts = Receipts(engine, ReceiptSettings())
                for each in given:
                    await receipts.append(made(body, **each), body)
                await receipts.close()

        asyncio.run(append())

    def by_hand(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()


def made(body: bytes | None, **given: Any) -> Receipt:
    fields: dict[str, Any] = {
        "time": NOW,
        "user": "anna",
        "client": "site",
        "chat": "chat-1",
        "message": "message-1",
        "model": "m",
        "destination": "cluster",
        "site": "Lyon",
        "trust": "partner",
        "action": "pseudonymise",
        "policy": "policy.yaml:7",
        "data_class": "internal",
        "passages": {"files": 3},
        "counts": {"person": 1},
        "bytes": len(body or b""),
        "body_sha256": hashlib.sha256(body).hexdigest() if body is not None else "",
    }
    return Receipt(**(fields | given))


@pytest.fixture
def site(tmp_path: Path) -> SiteReceipts:
    return SiteReceipts(tmp_path / "home")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(site: SiteReceipts, command: str) -> None:
    assert f"Example: hoheit receipts {command}" in " ".join(site.said(command, "--help").split())


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "1"], ["verify"], ["export", "--output", "x.csv"]]
)
def test_a_site_without_receipts_says_so_and_nothing_is_made(
    site: SiteReceipts, arguments: list[str]
) -> None:
    assert "has no receipts: there is no database" in site.refused(*arguments)
    assert not site.home.exists()
    site.file.parent.mkdir(parents=True)
    site.by_hand("CREATE TABLE other (x)")
    assert "has no table of them" in site.refused(*arguments)


def test_a_list_has_a_line_for_each_and_narrows_as_asked(site: SiteReceipts) -> None:
    site.append(
        {"time": NOW - timedelta(days=40)},
        {"user": "berta", "chat": "chat-2", "counts": {}},
        {"task": "title_generation"},
    )
    lines = site.said("list").splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for expected in ("anna", "chat-1", "→ cluster (Lyon)", "pseudonymise", "policy.yaml:7"):
        assert expected in lines[0]
    assert "1 × person" in lines[0] and "nothing replaced" in lines[1]

    def seqs(*arguments: str) -> list[int]:
        listed = json.loads(site.said("list", "--json", *arguments))["receipts"]
        return [each["seq"] for each in listed]

    assert seqs("--user", "berta") == seqs("--chat", "chat-2") == [2]
    assert seqs("--last", "2") == [2, 3]
    assert seqs("--since", (NOW - timedelta(days=2)).date().isoformat()) == [2, 3]
    assert seqs("--since", (NOW + timedelta(hours=1)).isoformat()) == []
    [first] = json.loads(site.said("list", "--json", "--last", "1"))["receipts"]
    assert first["counts"] == {"person": 1} and first["task"] == "title_generation"
    assert re.fullmatch("[0-9a-f]{64}", first["hash"])


def test_what_somebody_wrote_does_not_steer_the_terminal(site: SiteReceipts) -> None:
    site.append({"user": "anna\x1b[2J\r\nforged line", "model": "m\u202egpj"})
    [line] = site.said("list").splitlines()
    assert "\x1b" not in line and "\u202e" not in line


def test_a_time_that_is_none_is_refused(site: SiteReceipts) -> None:
    site.append({})
    assert "is no time" in site.refused("list", "--since", "yesterday", status=2)


def test_a_body_is_printed_to_the_byte(site: SiteReceipts) -> None:
    site.append({})
    result = site.run("show", "1")
    assert (result.returncode, result.stdout) == (0, BODY)
    assert b"pseudonymise" in result.stderr


def test_a_body_on_a_terminal_is_the_same_json_and_steers_nothing(site: SiteReceipts) -> None:
    body = '{"content":"Zürich \x9b2J \u202e end"}'.encode()
    site.append({}, body=body)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "hoheit", "receipts", "show", "1"]
    subprocess.run(
        command,
        env=site.environment,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.strip() == r'{"content":"Zürich \u009b2J \u202e end"}'
    assert json.loads(shown) == json.loads(body)


def test_what_is_not_there_is_told_apart(site: SiteReceipts) -> None:
    site.append({"time": NOW - timedelta(days=31)})
    site.append({"action": "refuse"}, body=None)
    assert "no receipt 3" in site.refused("show", "3")
    assert "not kept any more" in site.refused("show", "1")
    assert "Nothing left the site" in site.refused("show", "2")


def test_a_chain_that_holds_tells_how_many_from_when_and_its_head(site: SiteReceipts) -> None:
    first, last = NOW - timedelta(days=3), NOW
    site.append({"time": first}, {}, {"time": last})
    said = site.said("verify")
    assert re.search(r"^3 receipts hold, from \S+Z to \S+Z\.$", said, re.MULTILINE)
    assert first.isoformat(timespec="milliseconds")[:23] in said
    [head] = re.findall("^head: (3:[0-9a-f]{64})$", said, re.MULTILINE)
    site.append({}, {})
    assert "Receipt 3 is the one whose hash was kept." in site.said("verify", "--head", head)
    told = json.loads(site.said("verify", "--json", "--head", head))
    assert told["receipts"] == 5 and told["head"].startswith("5:")


def test_a_table_without_receipts_holds_but_not_with_a_head(site: SiteReceipts) -> None:
    site.append()
    site.append({})
    head = json.loads(site.said("verify", "--json"))["head"]
    site.by_hand("DROP TABLE receipts")
    site.append()
    assert "no table of them" in site.refused("verify")
    asyncio.run(prepared(site))
    assert site.said("verify") == "There is no receipt yet.\n"
    assert "Receipt 1 is missing" in site.refused("verify", "--head", head)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE receipts SET user = 'x' WHERE seq = 2", "Receipt 2 is changed"),
        ("DELETE FROM receipts WHERE seq = 2", "Receipt 2 is missing"),
        ("DELETE FROM receipts WHERE seq > 2", "Receipt 3 is missing"),
        ("UPDATE receipts SET seq = -1 WHERE seq = 3", "Receipt -1 is out of order"),
    ],
)
def test_a_broken_chain_ends_with_1_and_says_where(
    site: SiteReceipts, statement: str, told: str
) -> None:
    site.append({}, {}, {}, {})
    head = json.loads(site.said("verify", "--json"))["head"]
    site.by_hand(
        *(f"DROP TRIGGER receipts_no_{name}" for name in ("update", "delete", "replace")),
        statement,
    )
    assert told in site.refused("verify", "--head", head)
    result = site.run("verify", "--json", "--head", head)
    assert result.returncode == 1
    broken = json.loads(result.stdout)["broken"]
    assert broken["seq"] == int(told.split()[1])
    assert broken["message"].startswith(told)


@pytest.mark.parametrize("head", ["3", "x:y", "1:abc", f"-1:{'0' * 64}", f"1:{'g' * 64}"])
def test_a_head_that_is_none_is_refused(site: SiteReceipts, head: str) -> None:
    site.append({})
    assert "is no head" in site.refused("verify", "--head", head, status=2)


def test_it_verifies_while_an_adapter_appends(site: SiteReceipts) -> None:
    site.append({})

    async def both() -> None:
        async with open_database(site.url) as engine:
            receipts = Receipts(engine, ReceiptSettings())

            async def append() -> None:
                while True:
                    await receipts.append(made(BODY), BODY)

            appending = [asyncio.create_task(append()) for _ in range(4)]
            command = [sys.executable, "-m", "hoheit", "receipts", "verify", "--json"]
            checking = await asyncio.create_subprocess_exec(
                *command, env=site.environment, stdout=subprocess.PIPE
            )
            output, _ = await asyncio.wait_for(checking.communicate(), 60)
            for task in appending:
                assert not task.done()
                task.cancel()
            await asyncio.wait(appending)
            await receipts.close()
            assert checking.returncode == 0
            assert json.loads(output)["receipts"] > 1

    asyncio.run(both())


def test_a_long_check_says_how_far_it_is_and_a_short_one_nothing(
    site: SiteReceipts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site.append({}, {}, {})

    async def check() -> str:
        async with open_database(site.url) as engine:
            return (await verifying.verify(Receipts(engine, ReceiptSettings()), None)).head

    monkeypatch.setattr(verifying, "_LOOK_EVERY", 1)
    assert asyncio.run(check()).startswith("3:")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(verifying, "_QUIET_S", 0.0)
    monkeypatch.setattr(verifying, "_LOG_EVERY_S", 0.0)
    asyncio.run(check())
    told = capsys.readouterr()
    assert (told.out, told.err.splitlines()) == (
        "",
        ["… 1 receipts hold so far", "… 2 receipts hold so far", "… 3 receipts hold so far"],
    )


def test_a_table_is_written_for_a_spreadsheet(site: SiteReceipts, tmp_path: Path) -> None:
    site.append({"user": "=HYPERLINK(1)"}, {"chat": "chat-2"}, {})
    output = tmp_path / "receipts.csv"
    output.write_text("an older one")
    site.said("export", "--chat", "chat-1", "--output", str(output))
    text = output.read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [(row["seq"], row["user"]) for row in rows] == [("1", "'=HYPERLINK(1)"), ("3", "anna")]
    assert output.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir()] != [] and not list(
        tmp_path.glob(".receipts*")
    )


def test_pages_are_written_for_each_chat(site: SiteReceipts, tmp_path: Path) -> None:
    site.append({}, {"chat": "chat-2", "counts": {"iban": 2}}, {"chat": ""}, {})
    output = tmp_path / "receipts.pdf"
    site.said("export", "--format", "pdf", "--language", "de", "--output", str(output))
    head = json.loads(site.said("verify", "--json"))["head"]
    document = pypdfium2.PdfDocument(output.read_bytes())
    said = [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    assert len(said) == 3
    assert "Chat: chat-1" in said[0] and "2 Belege" in said[0]
    assert "Chat: chat-2" in said[1] and "iban 2 Summe 2" in said[1]
    assert "zu keinem Chat" in said[2]
    assert all(head in page for page in said)


def test_an_export_that_cannot_be_written_says_why_and_leaves_the_older_file(
    site: SiteReceipts, tmp_path: Path
) -> None:
    site.append({}, {})
    gone = str(tmp_path / "gone" / "receipts.csv")
    assert "cannot be written: No such file or directory" in site.refused(
        "export", "--output", gone
    )
    font = tmp_path / "none.ttf"
    font.write_text("no font")
    output = tmp_path / "receipts.pdf"
    arguments = ("export", "--format", "pdf", "--output", str(output))
    assert "cannot be used" in site.refused(*arguments, "--font", str(font))
    output.write_text("an older one")
    site.by_hand(
        "DROP TRIGGER receipts_no_update", "UPDATE receipts SET counts = '[' WHERE seq = 2"
    )
    assert "Receipt 2 is changed" in site.refused(*arguments)
    assert "Receipt 2 is changed" in site.refused("export", "--output", str(output))
    assert output.read_text() == "an older one"
    assert "its row cannot be read" in site.said("list")


async def prepared(site: SiteReceipts) -> None:
    async with open_database(site.url) as engine:
        await Receipts(engine, ReceiptSettings()).prepare()

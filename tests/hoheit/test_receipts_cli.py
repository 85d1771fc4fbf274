"""`hoheit receipts` on a real database: lists, shows, verifies and exports what left.

The program runs in this process, from its entry point to how it ends; `test_receipts_program.py` starts some.
"""

import asyncio
import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest
from receipts_site import NOW, SiteReceipts

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts

COMMANDS = ["list", "show", "verify", "export"]


@pytest.fixture
def site(tmp_path: Path) -> SiteReceipts:
    return SiteReceipts(tmp_path / "home")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(site: SiteReceipts, command: str) -> None:
    # Typer colours its help without a terminal where a variable asks for it.
    said = re.sub(r"\x1b\[[0-9;]*m", "", site.said(command, "--help"))
    assert f"Example: hoheit receipts {command}" in " ".join(said.split())


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

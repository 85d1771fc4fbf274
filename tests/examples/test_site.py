"""The example site: built twice it is the same, and every question can be answered from it."""

import json
import sqlite3
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pypdfium2
import pytest
from bs4 import BeautifulSoup

SITE = Path(__file__).resolve().parents[2] / "examples" / "site"
DOCUMENTS = SITE / "documents"
ZIPPED = {".docx", ".xlsx"}
CLASSES = {
    "oeffentlich": "public",
    "intern": "internal",
    "vertraulich": "confidential",
    "geheim": "secret",
}
MAX_FILE_BYTES = 1_400_000


def manifest() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((SITE / "manifest.json").read_text("utf-8"))[
        "documents"
    ]
    return entries


def questions() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = tomllib.loads((SITE / "questions.toml").read_text("utf-8"))[
        "questions"
    ]
    return entries


def files_below(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def content(path: Path) -> bytes | dict[str, bytes]:
    """What must be equal: for zip containers the members, since zlib builds compress differently."""
    if path.suffix not in ZIPPED:
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def build(folder: Path) -> None:
    command = [sys.executable, str(SITE / "generate.py"), "--out", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def test_building_again_gives_the_committed_files(tmp_path: Path) -> None:
    build(tmp_path)

    built, committed = files_below(tmp_path / "documents"), files_below(DOCUMENTS)
    assert built.keys() == committed.keys()
    different = [name for name in built if content(built[name]) != content(committed[name])]
    assert different == []
    assert (tmp_path / "manifest.json").read_bytes() == (SITE / "manifest.json").read_bytes()
    assert dump(tmp_path / "lindenau.db") == dump(SITE / "lindenau.db")


def test_building_over_an_older_build_leaves_no_former_document(tmp_path: Path) -> None:
    stray, own = tmp_path / "documents/intern/alt.md", tmp_path / "documents/notizen.txt"
    stray.parent.mkdir(parents=True)
    stray.write_text("alt", encoding="utf-8")
    own.write_text("mine", encoding="utf-8")
    former = {"documents": [{"path": "intern/alt.md"}]}
    (tmp_path / "manifest.json").write_text(json.dumps(former), encoding="utf-8")

    build(tmp_path)

    assert not stray.exists()
    assert own.read_text(encoding="utf-8") == "mine"


def test_manifest_names_exactly_the_files_that_are_there() -> None:
    assert sorted(files_below(DOCUMENTS)) == [entry["path"] for entry in manifest()]


def test_every_format_language_and_class_is_present() -> None:
    entries = manifest()
    formats = Counter(entry["format"] for entry in entries)
    languages = Counter(entry["language"] for entry in entries)

    assert 40 <= len(entries) <= 60
    assert set(formats) == {"md", "txt", "pdf", "docx", "xlsx", "html"}
    assert min(formats.values()) >= 4
    assert set(languages) == {"de", "en"}
    assert languages["en"] >= 8
    for entry in entries:
        assert entry["data_class"] == CLASSES[entry["path"].split("/")[0]]
    assert set(CLASSES.values()) == {entry["data_class"] for entry in entries}


def test_pdf_pages_are_as_the_manifest_says() -> None:
    pages = {entry["path"]: entry["pages"] for entry in manifest() if entry["format"] == "pdf"}

    assert {path: len(pdf_pages(DOCUMENTS / path)) for path in pages} == pages
    assert min(pages.values()) >= 2


def test_every_workbook_has_several_sheets_and_right_sums() -> None:
    for entry in manifest():
        if entry["format"] == "xlsx":
            book = openpyxl.load_workbook(DOCUMENTS / entry["path"], read_only=True)
            assert len(book.sheetnames) >= 2, entry["path"]
            book.close()
    plan = openpyxl.load_workbook(DOCUMENTS / "oeffentlich/rat/haushaltsplan-2026.xlsx")
    for name in ("Erträge", "Aufwendungen"):
        *positions, total = list(plan[name].iter_rows(min_row=2, values_only=True))
        assert total[0] == "Summe"
        assert [sum(row[at] for row in positions) for at in (1, 2)] == list(total[1:])
    plan.close()


def test_no_committed_file_is_too_large_for_a_review() -> None:
    sizes = {name: path.stat().st_size for name, path in files_below(SITE).items()}

    assert {name: size for name, size in sizes.items() if size >= MAX_FILE_BYTES} == {}


@pytest.fixture
def database() -> Any:
    connection = sqlite3.connect(f"file:{SITE / 'lindenau.db'}?mode=ro", uri=True)
    yield connection
    connection.close()


def test_database_is_sound_and_of_the_promised_size(database: sqlite3.Connection) -> None:
    tables = [
        row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type='table'")
    ]
    rows = {
        table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables
    }

    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    assert len(tables) == 11
    assert rows["citizens"] == 3000
    assert 9_000 <= sum(rows.values()) <= 12_000
    assert min(rows.values()) >= 9


def test_amounts_in_the_database_follow_the_bylaws(database: sqlite3.Connection) -> None:
    rates = database.execute("SELECT DISTINCT annual_tax_eur FROM dogs ORDER BY 1").fetchall()
    paid = database.execute(
        "SELECT count(*) FROM payments p JOIN invoices i ON i.id = p.invoice_id"
        " WHERE p.amount_eur <> i.amount_eur OR i.status <> 'bezahlt'"
    ).fetchone()
    wrong_fees = database.execute(
        "SELECT count(*) FROM building_permits"
        " WHERE abs(fee_eur - max(150, shell_cost_eur * 0.006)) > 0.005"
    ).fetchone()

    assert rates == [(96.0,), (144.0,), (180.0,), (600.0,)]
    assert (paid, wrong_fees) == ((0,), (0,))


def test_identifiers_have_valid_check_digits_and_belong_to_nobody(
    database: sqlite3.Connection,
) -> None:
    for iban, number, phone, mail in database.execute(
        "SELECT iban, tax_id, phone, email FROM citizens"
    ):
        if iban is not None:
            # ISO 13616: country and check digits to the end, letters as numbers, remainder 1.
            assert int(iban[4:] + "1314" + iban[2:4]) % 97 == 1
            assert iban[4:12] == "99990417"
        assert number[0] == "0"
        assert tax_check_digit(number[:10]) == int(number[10])
        assert sorted(Counter(number[:10]).values()) == [1] * 8 + [2]
        assert phone is None or phone.startswith(("030 23125-", "040 66969-", "0171 39200 "))
        assert mail is None or mail.endswith("@example.org")


def tax_check_digit(digits: str) -> int:
    product = 10
    for digit in digits:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10


def test_there_are_enough_questions_for_small_and_large_models() -> None:
    entries = questions()

    assert len(entries) >= 20
    assert sum(entry.get("small_model", False) for entry in entries) >= 6
    assert all(entry["language"] == "en" for entry in entries if entry.get("small_model"))
    assert sum("sql" in entry for entry in entries) >= 5
    assert len({entry["question"] for entry in entries}) == len(entries)


def test_the_readme_asks_questions_that_are_checked() -> None:
    known = {entry["question"]: entry for entry in questions()}
    table = (SITE / "README.md").read_text("utf-8").split("## Ten questions to try")[1]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if "| `" in line]

    assert len(rows) == 10
    for question, answer, place in rows:
        entry = known[question]
        assert place.strip("`") == entry.get("sql", entry["source"])
        assert all(fact in answer for fact in entry["expected"])


@pytest.mark.parametrize("entry", questions(), ids=lambda entry: entry["question"])
def test_the_cited_place_answers_the_question(
    entry: dict[str, Any], database: sqlite3.Connection
) -> None:
    if "sql" in entry:
        found = " ".join(str(cell) for row in database.execute(entry["sql"]) for cell in row)
    else:
        found = cited(entry["source"])

    for fact in entry["expected"]:
        assert fact in found


def cited(source: str) -> str:
    """The text of the cited place, its white space collapsed."""
    name, _, fragment = source.partition("#")
    kind, _, value = fragment.partition("=")
    path = DOCUMENTS / name
    match kind, path.suffix:
        case "page", ".pdf":
            text = pdf_pages(path)[int(value) - 1]
        case "sheet", ".xlsx":
            book = openpyxl.load_workbook(path, read_only=True)
            text = "\n".join(str(row) for row in book[value].iter_rows(values_only=True))
            book.close()
        case "section", _:
            text = section(plain_lines(path), value)
        case "line", _:
            text = path.read_text("utf-8").splitlines()[int(value) - 1]
        case _:
            raise AssertionError(f"{source} cites a place that its format does not have")
    return " ".join(text.split())


def section(lines: list[tuple[bool, str]], heading: str) -> str:
    at = lines.index((True, heading))
    body: list[str] = []
    for is_heading, text in lines[at + 1 :]:
        if is_heading:
            break
        body.append(text)
    return "\n".join(body)


def plain_lines(path: Path) -> list[tuple[bool, str]]:
    """Lines of a document in order, each with whether it is a heading."""
    if path.suffix == ".docx":
        file = docx.Document(str(path))
        lines: list[tuple[bool, str]] = []
        for block in file.iter_inner_content():
            if isinstance(block, docx.table.Table):
                lines += [(False, " ".join(c.text for c in row.cells)) for row in block.rows]
            else:
                lines.append((block.style.name.startswith(("Heading", "Title")), block.text))
        return lines
    text = path.read_text("utf-8")
    if path.suffix == ".html":
        main = BeautifulSoup(text, "html.parser").main
        assert main is not None
        return [
            (tag.name in ("h1", "h2"), tag.get_text(" ", strip=True))
            for tag in main.find_all(["h1", "h2", "p", "li", "tr"])
        ]
    if path.suffix == ".md":
        return [(line.startswith("#"), line.lstrip("# ")) for line in text.splitlines()]
    plain = text.splitlines()
    underlined = [set(line) <= {"-", "="} and line != "" for line in [*plain[1:], ""]]
    return list(zip(underlined, plain, strict=True))


def pdf_pages(path: Path) -> list[str]:
    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_range() for page in document]

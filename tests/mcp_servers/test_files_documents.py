"""Documents of every format become text with the right anchors; broken ones become a reason."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from mcp_servers.errors import DocumentError
from mcp_servers.files.converter import Converter
from mcp_servers.files.documents import Document, Part, clean
from mcp_servers.files.formats.text import decode, sections
from mcp_servers.files.passages import PASSAGE_CHARS, passages


def read(path: Path, timeout_s: float = 30, memory_mib: int = 1024) -> Document:
    converter = Converter(timeout_s, memory_mib)
    try:
        with path.open("rb") as file:
            return converter.convert(path.name, file)
    finally:
        converter.close()


def test_markdown_becomes_sections_with_unique_anchors(documents: Path) -> None:
    document = read(documents / "offen" / "satzungen" / "hundesteuer.md")
    assert document.title == "Hundesteuersatzung"
    assert [part.anchor for part in document.parts] == [
        "section=Hundesteuersatzung",
        "section=Steuersatz",
        "section=Befreiung",
        "section=Nachweis",
        "section=Steuersatz (2)",
    ]
    assert document.parts[3].trail == "Hundesteuersatzung > Befreiung > Nachweis"


def test_headings_inside_code_are_no_headings() -> None:
    document = sections("# A\n\n```sh\n# not a heading\n```\n\nB\n---\ntext", "x", lines=True)
    assert [part.anchor for part in document.parts] == ["section=A", "section=B"]


def test_pdf_becomes_pages(documents: Path) -> None:
    document = read(documents / "offen" / "haushalt.pdf")
    assert [part.anchor for part in document.parts] == ["page=1", "page=2"]
    assert "4711" in document.parts[1].text


def test_word_becomes_sections_with_tables(documents: Path) -> None:
    document = read(documents / "intern" / "dienst.docx")
    assert [part.anchor for part in document.parts] == [
        "section=Dienstanweisung",
        "section=Telearbeit",
    ]
    assert "| Freitag | zu Hause |" in document.parts[1].text


def test_excel_becomes_sheets(documents: Path) -> None:
    document = read(documents / "intern" / "geraete.xlsx")
    assert [part.anchor for part in document.parts] == ["sheet=Geräte", "sheet=Wartung"]
    assert document.parts[0].text.split("\n") == [
        "| Gerät | Raum | Preis |",
        "| --- | --- | --- |",
        "| Plotter | R 204 | 1999.5 |",
    ]


def test_html_keeps_what_is_seen(documents: Path) -> None:
    document = read(documents / "offen" / "library.html")
    text = "\n".join(part.text for part in document.parts)
    assert document.title == "Town library"
    assert "**10 am**" in text
    assert "| Library card | 12 Euro |" in text
    assert "never shown" not in text
    assert "Contact" not in text
    assert "color" not in text


def test_text_is_cited_by_line_and_csv_repeats_its_head(documents: Path) -> None:
    note = read(documents / "offen" / "notiz.txt")
    assert note.parts[0].text.startswith("Die Straße am Fluß")
    assert [passage.anchor for passage in passages(note)] == ["line=1"]
    trees = read(documents / "offen" / "baeume.csv")
    assert trees.parts[0].header == "Baum;Ort"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_apart(encoding: str) -> None:
    assert decode("Größe: 5 €".encode(encoding)) == "Größe: 5 €"


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_are_called_binary(data: bytes) -> None:
    if b"\0" not in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert "\0" not in decode(data)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("broken.pdf", b"%PDF-1.7 nonsense", "damaged"),
        ("empty.pdf", b"", "damaged"),
        ("broken.docx", b"PK\x03\x04 nonsense", "damaged"),
        ("broken.xlsx", b"not a zip", "damaged"),
        ("old.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "password"),
        ("binary.txt", b"MZ\0\0\0\1", "binary"),
        ("program.exe", b"MZ", "format"),
    ],
)
def test_a_broken_document_says_why(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DocumentError) as caught:
        read(tmp_path / name)
    assert reason in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_scanned_pdf_says_so(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "scan.pdf"))
    canvas.rect(10, 10, 100, 100)
    canvas.showPage()
    canvas.save()
    with pytest.raises(DocumentError, match="scanned"):
        read(tmp_path / "scan.pdf")


def test_an_encrypted_pdf_says_so(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "locked.pdf"), encrypt="password")
    canvas.drawString(10, 10, "hidden")
    canvas.save()
    with pytest.raises(DocumentError, match="password"):
        read(tmp_path / "locked.pdf")


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as member,
    ):
        for _ in range(300):
            member.write(b" " * 2**20)
    with pytest.raises(DocumentError, match="unpack to 300 MiB"):
        read(tmp_path / "bomb.docx")


def test_a_document_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\ntext")
    with pytest.raises(DocumentError, match="longer than"):
        read(tmp_path / "a.md", timeout_s=0.001)


def test_a_document_that_needs_too_much_memory_costs_only_itself(
    tmp_path: Path, documents: Path
) -> None:
    """A small archive with 200,000 paragraphs; after it, the same converter still works."""
    with (
        zipfile.ZipFile(documents / "intern" / "dienst.docx") as plain,
        zipfile.ZipFile(tmp_path / "huge.docx", "w", zipfile.ZIP_DEFLATED) as huge,
    ):
        for name in plain.namelist():
            data = plain.read(name)
            if name == "word/document.xml":
                paragraph = b"<w:p><w:r><w:t>" + b"x" * 900 + b"</w:t></w:r></w:p>"
                data = data.replace(b"<w:body>", b"<w:body>" + paragraph * 200_000)
            huge.writestr(name, data)
    (tmp_path / "small.md").write_text("# Small\ntext")
    converter = Converter(60, 300)
    with (tmp_path / "huge.docx").open("rb") as file, pytest.raises(DocumentError):
        converter.convert("huge.docx", file)
    with (tmp_path / "small.md").open("rb") as file:
        assert converter.convert("small.md", file).title == "Small"
    converter.close()


def test_clean_leaves_no_control_characters() -> None:
    assert clean("a\r\nb\rc\x00\x1b[31m\u00ad") == "a\nb\nc[31m"


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=900), max_size=6))
def test_passages_are_short_and_lose_no_words(blocks: list[str]) -> None:
    text = clean("\n\n".join(blocks))
    found = list(passages(Document("t", (Part(text, line=1),))))
    assert all(len(passage.text) <= PASSAGE_CHARS for passage in found)
    words = {char for char in text if char.isalnum()}
    assert words == {char for passage in found for char in passage.text if char.isalnum()}


def test_every_piece_of_a_table_repeats_its_head() -> None:
    rows = "\n".join(f"| Street {number} | {'x' * 40} |" for number in range(60))
    text = f"| Street | Notes |\n| --- | --- |\n{rows}"
    found = list(passages(Document("t", (Part(text, "sheet=S"),))))
    assert len(found) > 3
    assert all(passage.text.startswith("| Street | Notes |\n| --- | --- |\n") for passage in found)
    assert sum(passage.text.count("| Street ") for passage in found) == 60 + len(found)


def test_a_line_anchor_names_the_passages_first_line() -> None:
    text = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(10))
    found = list(passages(Document("t", (Part(text, line=1),))))
    lines = text.split("\n")
    for passage in found:
        number = int(passage.anchor.removeprefix("line="))
        assert lines[number - 1].startswith(passage.text[:20])

"""Reading pages through a document of any length and finds the place a citation names."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.errors import AccessError
from mcp_servers.files.documents import Document, Part
from mcp_servers.files.formats.text import sections
from mcp_servers.files.library import Library
from mcp_servers.files.reading import read_slice
from mcp_servers.files.server import list_text, read_text
from mcp_servers.files.settings import FilesSettings, RootSettings


@pytest.fixture
def library(documents: Path) -> Library:
    return Library(
        FilesSettings(
            roots=(
                RootSettings(name="offen", path=documents / "offen", data_class="public"),
                RootSettings(name="intern", path=documents / "intern", data_class="confidential"),
            )
        )
    )


def read(library: Library, citation: str, start: int = 0, limit: int = 4_000) -> str:
    try:
        return read_text(library, citation, start, limit)
    finally:
        library.stop()


def test_names_source_class_and_title(library: Library) -> None:
    text = read(library, "offen/haushalt.pdf")
    assert text.startswith("offen/haushalt.pdf (public)")
    assert "[#page=1]" in text
    assert "[#page=2]" in text


@pytest.mark.parametrize(
    ("citation", "inside", "outside"),
    [
        ("offen/haushalt.pdf#page=2", "4711", "eins"),
        ("intern/geraete.xlsx#sheet=Wartung", "März", "R 204"),
        ("intern/dienst.docx#section=telearbeit", "zwei Tagen", "Beschäftigten"),
        ("offen/satzungen/hundesteuer.md#section=Befreiung", "vorzulegen", "96 Euro"),
        ("offen/satzungen/hundesteuer.md#section=Steuersatz (2)", "600 Euro", "96 Euro"),
        ("offen/satzungen/hundesteuer.md#section=befrei", "Blindenführhunde", "96 Euro"),
        ("offen/notiz.txt#line=2", "gesperrt", "Fluß"),
        ("offen/baeume.csv#line=3", "Eiche", "Linde"),
    ],
)
def test_reads_the_place_that_is_cited(
    library: Library, citation: str, inside: str, outside: str
) -> None:
    text = read(library, citation)
    assert inside in text
    assert outside not in text


def test_an_unknown_place_is_answered_with_the_known_ones(library: Library) -> None:
    with pytest.raises(AccessError) as caught:
        read(library, "offen/satzungen/hundesteuer.md#section=Katzen")
    assert "Befreiung" in str(caught.value)


def test_a_long_document_is_read_to_its_end_by_following_the_hints(
    library: Library, documents: Path
) -> None:
    lines = [f"Zeile {number}: " + "x" * 50 for number in range(400)]
    (documents / "offen" / "lang.txt").write_text("\n".join(lines))
    found: list[str] = []
    start = 0
    for _ in range(50):
        text = read(library, "offen/lang.txt", start)
        assert len(text) <= 4_000
        found += re.findall(r"Zeile \d+:", text)
        hint = re.search(r'read\(path="offen/lang.txt", start=(\d+)\)', text)
        if not hint:
            break
        start = int(hint[1])
    assert found == [f"Zeile {number}:" for number in range(400)]


@given(st.lists(st.text("abc \n", max_size=200), max_size=8), st.integers(20, 300))
def test_slices_follow_each_other_without_gap_or_overlap(texts: list[str], limit: int) -> None:
    document = Document("t", tuple(Part(text, f"page={n}") for n, text in enumerate(texts)))
    whole = read_slice(document, "", 0, 10**9)
    pieces, start = "", 0
    while True:
        piece = read_slice(document, "", start, limit)
        assert len(piece.text) <= limit
        pieces += piece.text
        if piece.next is None:
            break
        assert piece.next > start
        start = piece.next
    assert pieces.replace("\n", "") == whole.text.replace("\n", "")


def test_a_start_beyond_the_end_gives_nothing() -> None:
    piece = read_slice(sections("# A\ntext", "a", lines=True), "", 10**9, 100)
    assert (piece.text, piece.next) == ("", None)


def test_lists_roots_with_their_class_and_documents_with_their_size(library: Library) -> None:
    assert list_text(library, "", 1) == "offen/ (public)\nintern/ (confidential)"
    text = list_text(library, "offen", 2)
    assert text.startswith("offen/ (public)\noffen/satzungen/\n")
    assert re.search(r"offen/satzungen/hundesteuer\.md  1 KB  \d{4}-\d\d-\d\d", text)


def test_lists_what_cannot_be_read_and_says_so(library: Library, documents: Path) -> None:
    (documents / "offen" / "bild.jpeg").write_bytes(b"\xff\xd8")
    assert "offen/bild.jpeg  1 KB" in list_text(library, "offen", 1)
    assert re.search(r"bild\.jpeg.*\(cannot be read\)", list_text(library, "offen", 1))


def test_a_long_listing_is_cut_and_says_how_much_is_missing(
    library: Library, documents: Path
) -> None:
    for number in range(300):
        (documents / "offen" / f"{number:03}.txt").write_text("x")
    text = list_text(library, "offen", 1)
    assert text.count("\n") == 200
    assert "more. List a folder of these, or search." in text

"""The search finds what people ask for, in their words, and follows the folders."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import write_documents
from hypothesis import given
from hypothesis import strategies as st

from mcp_servers.files.citations import cite, take_apart
from mcp_servers.files.index import Index
from mcp_servers.files.library import Library
from mcp_servers.files.passages import Passage
from mcp_servers.files.settings import FilesSettings, RootSettings
from mcp_servers.files.words import fold, terms

Ready = Callable[[Library], Library]


def settings_for(documents: Path, index_path: Path | None = None) -> FilesSettings:
    return FilesSettings(
        roots=(
            RootSettings(name="offen", path=documents / "offen", data_class="public"),
            RootSettings(name="intern", path=documents / "intern", data_class="internal"),
        ),
        rescan_s=0,
        index_path=index_path,
    )


def when_indexed(library: Library) -> Library:
    deadline = time.monotonic() + 30
    while library.progress.running or not library.progress.total:
        assert time.monotonic() < deadline, library.progress
        time.sleep(0.01)
    return library


@contextmanager
def library_of(documents: Path) -> Iterator[Library]:
    """A library over the documents, fully indexed, that looks for changes at each search."""
    library = Library(settings_for(documents))
    library.start()
    try:
        yield when_indexed(library)
    finally:
        library.stop()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """One over documents that nobody changes."""
    with library_of(write_documents(tmp_path_factory.mktemp("library") / "documents")) as library:
        yield library


def best(library: Library, question: str) -> str:
    found = library.search(question, 5)
    return cite(found[0][1].path, found[0][1].anchor) if found else ""


@pytest.mark.parametrize(
    ("question", "citation"),
    [
        ("Wie hoch ist die Steuer für den ersten Hund?", "hundesteuer.md#section=Steuersatz"),
        ("steuer ersten hund", "hundesteuer.md#section=Steuersatz"),
        ("BLINDENFÜHRHUNDE", "hundesteuer.md#section=Befreiung"),
        ("Blindenfuehrhund", "hundesteuer.md#section=Befreiung"),
        ("Führhund", "hundesteuer.md#section=Befreiung"),
        ("Wo ist die Strasse gesperrt?", "notiz.txt#line=1"),
        ("Fluss", "notiz.txt#line=1"),
        ("When does the library open?", "library.html#section=Opening hours"),
        ("price of a library card", "library.html#section=Fees"),
        ("Rucklage", "haushalt.pdf#page=2"),
        ("4711", "haushalt.pdf#page=2"),
        ("Wie oft Telearbeit?", "dienst.docx#section=Telearbeit"),
        ("Plotter Raum", "geraete.xlsx#sheet=Geräte"),
        ("Linde", "baeume.csv#line=1"),
    ],
)
def test_the_best_passage_answers_the_question(
    library: Library, question: str, citation: str
) -> None:
    assert best(library, question).endswith(citation)


def test_words_in_pieces_find_compounds_and_the_other_way_round() -> None:
    index = Index()
    index.put("r/a.md", 1, 1, "A", [Passage("", "", "Die Hundesteuer beträgt 96 Euro.")])
    index.put("r/b.md", 1, 1, "B", [Passage("", "", "Die Katze schläft am Hang.")])
    assert [hit.path for hit in index.search("Steuer Hund", 5)] == ["r/a.md"]
    index.put("r/c.md", 1, 1, "C", [Passage("", "", "Für jeden Hund ist Steuer zu zahlen.")])
    assert {hit.path for hit in index.search("Hundesteuer", 5)} == {"r/a.md", "r/c.md"}
    index.close()


def test_one_document_does_not_fill_the_whole_result() -> None:
    index = Index()
    long = [Passage(f"page={number}", "", f"Gebühr Nummer {number}") for number in range(20)]
    index.put("r/long.md", 1, 1, "Gebühr Gebühr", long)
    index.put("r/short.md", 1, 1, "", [Passage("", "", "Eine Gebühr")])
    paths = [hit.path for hit in index.search("Gebühr", 10)]
    assert paths.count("r/long.md") == 3
    assert "r/short.md" in paths
    index.close()


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        '"',
        '""""',
        "*",
        "hund*",
        '"hund" OR "steuer"',
        "hund NEAR steuer",
        "name:hund",
        "-hund",
        "^hund",
        "(hund",
        "hund)",
        "{name trail}: hund",
        "'; DROP TABLE passage; --",
        "hund AND NOT steuer",
        "\0",
        "\ud800",
        "🐕",
        "AND OR NOT",
        pytest.param("a" * 10_000, id="a long word"),
        pytest.param("und " * 5_000, id="many words"),
    ],
)
def test_a_question_is_never_search_syntax(library: Library, question: str) -> None:
    before = library.progress
    library.search(question, 5)
    assert best(library, "Blindenführhunde")
    assert library.progress.total == before.total


@given(st.text(max_size=80))
def test_any_text_is_a_question(question: str) -> None:
    index = Index()
    index.put("r/a.md", 1, 1, "A", [Passage("", "", "Etwas Text über Hunde")])
    assert len(index.search(question, 3)) <= 1
    index.close()


@given(st.text(st.characters(categories=["L", "N"]), min_size=2, max_size=20))
def test_a_document_is_found_by_its_own_words(word: str) -> None:
    index = Index()
    index.put("r/a.md", 1, 1, "", [Passage("", "", f"vorher {word} nachher")])
    found = index.search(f"{word} nachher", 3)
    index.close()
    assert [hit.path for hit in found] == ["r/a.md"]


def test_folding_unites_spellings() -> None:
    assert fold("Gebühr") == fold("Gebuehr") == fold("GEBUHR")
    assert fold("Straße") == fold("strasse")
    assert fold("Größe") == fold("Groesse")
    assert fold("neue Steuer, Quelle") == "neue steuer, quelle"


def test_stop_words_are_dropped_unless_nothing_else_is_asked() -> None:
    assert [term.word for term in terms("Was kostet das Parken in der Stadt?")] == [
        "kostet",
        "parken",
        "stadt",
    ]
    assert [term.word for term in terms("wer ist das?")] == ["wer", "ist", "das"]


def test_new_changed_and_deleted_files_are_noticed(documents: Path) -> None:
    path = documents / "offen" / "neu.md"
    with library_of(documents) as library:
        path.write_text("# Zebrastreifen\n\nAm Markt gibt es einen Zebrastreifen.", "utf-8")
        assert best(library, "Zebrastreifen") == "offen/neu.md#section=Zebrastreifen"
        path.write_text("# Kreisverkehr\n\nAm Markt gibt es nun einen Kreisverkehr.", "utf-8")
        os.utime(path, ns=(1, 1))
        assert best(library, "Kreisverkehr") == "offen/neu.md#section=Kreisverkehr"
        assert not best(library, "Zebrastreifen")
        path.unlink()
        assert not best(library, "Kreisverkehr")


def test_a_broken_file_is_skipped_and_remembered_with_its_reason(documents: Path) -> None:
    (documents / "offen" / "kaputt.pdf").write_bytes(b"%PDF-1.7 nonsense")
    library = Library(settings_for(documents))
    library.start()
    when_indexed(library)
    assert library.progress.unreadable == 1
    assert "damaged" in library.faults()["offen/kaputt.pdf"]
    assert best(library, "Blindenführhunde")
    library.stop()


def test_a_kept_index_is_used_again_and_only_for_what_is_served(
    documents: Path, tmp_path: Path
) -> None:
    place = tmp_path / "state" / "index.db"
    library = Library(settings_for(documents, place))
    library.start()
    when_indexed(library)
    library.stop()
    assert place.stat().st_mode & 0o077 == 0

    again = Library(settings_for(documents, place))
    assert best(again, "Telearbeit") == "intern/dienst.docx#section=Telearbeit"
    again.stop()

    public_only = settings_for(documents, place)
    fewer = Library(public_only.model_copy(update={"roots": public_only.roots[:1]}))
    assert not best(fewer, "Telearbeit")
    fewer.start()
    when_indexed(fewer)
    assert not best(fewer, "Telearbeit")
    assert best(fewer, "Blindenführhunde")
    fewer.stop()


def test_a_damaged_index_is_built_again(documents: Path, tmp_path: Path) -> None:
    place = tmp_path / "index.db"
    place.write_bytes(b"no database at all" * 100)
    library = Library(settings_for(documents, place))
    library.start()
    assert best(when_indexed(library), "Telearbeit") == "intern/dienst.docx#section=Telearbeit"
    library.stop()


@pytest.mark.parametrize(
    ("citation", "taken"),
    [
        ("r/a.pdf#page=3", ("r/a.pdf", "page=3")),
        ("r/a b.xlsx#sheet=Plan #2", ("r/a b.xlsx", "sheet=Plan #2")),
        ("[1] r/a.md#section=Über uns (internal)", ("r/a.md", "section=Über uns")),
        ("r/C# notes.md", ("r/C# notes.md", "")),
        ("r/a.md#line=7", ("r/a.md", "line=7")),
        ("  r/a.md  ", ("r/a.md", "")),
    ],
)
def test_a_citation_is_understood_as_it_was_given(citation: str, taken: tuple[str, str]) -> None:
    assert take_apart(citation) == taken

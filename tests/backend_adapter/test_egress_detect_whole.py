# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""The detectors as a whole: settings, what is kept, threads, hostile texts, and that nothing is fetched."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import spacy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backend_adapter.egress.detect.categories import KINDS
from backend_adapter.egress.detect.detectors import Detectors
from backend_adapter.egress.detect.settings import DetectorSettings
from backend_adapter.errors import SettingsError

TEXT = "Frau Anna Müller, IBAN DE89370400440532013000, anna@lindenau.example, Tel. 0351 4889988"


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors()


def categories(detectors: Detectors, text: str) -> list[str]:
    return [each.category for each in detectors.find(text)]


def test_each_category_has_a_kind_and_a_value_where_it_stands(detectors: Detectors) -> None:
    found = detectors.find(TEXT)
    assert [each.category for each in found] == ["PERSON", "IBAN", "EMAIL", "PHONE"]
    for each in found:
        assert each.kind == KINDS[each.category]
        assert each.value == TEXT[each.start : each.end]
        assert not each.known


def test_a_category_can_be_switched_off() -> None:
    chosen = Detectors(DetectorSettings(off=("PERSON", "IBAN")))
    assert categories(chosen, TEXT) == ["EMAIL", "PHONE"]


def test_all_can_be_switched_off() -> None:
    assert Detectors(DetectorSettings(enabled=False)).find(TEXT) == []


def test_an_unknown_category_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match=r"no category 'DE_TAXID'.*DE_TAX_ID"):
        DetectorSettings(off=("DE_TAXID",))


def test_a_model_that_is_not_installed_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'no_such_model'.*not installed.*never fetched"):
        Detectors(DetectorSettings(ner="no_such_model"))
    with pytest.raises(SettingsError, match="cannot be loaded"):
        Detectors(DetectorSettings(ner=str(tmp_path)))


def test_a_model_of_spacy_adds_the_names_it_knows(tmp_path: Path) -> None:
    pipeline = spacy.blank("de")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": "PER", "pattern": "Xyrik"}, {"label": "ORG", "pattern": "Brömme"}]
    )  # type: ignore[attr-defined]
    pipeline.to_disk(tmp_path / "model")
    chosen = Detectors(DetectorSettings(ner=str(tmp_path / "model")))
    text = "Gestern kam Xyrik von Brömme. " * 4000
    found = chosen.find(text)
    assert {(each.category, each.value) for each in found} == {
        ("PERSON", "Xyrik"),
        ("ORGANISATION", "Brömme"),
    }
    assert len(found) == 8000


@pytest.mark.parametrize(
    ("label", "text", "category"),
    [
        ("last_name", "Xyrik", "PERSON"),
        ("Geburtsdatum", "1987-03-05", "BIRTH_DATE"),
        ("steuer_id", "12 345 678 901", "DE_TAX_ID"),
        ("Telefon", "488 9988", "PHONE"),
        ("password", "sonne", "PASSWORD"),
        ("Kfz-Kennzeichen", "B XY 9", "DE_KFZ"),
    ],
)
def test_the_name_of_a_column_tells_what_a_value_is(
    label: str, text: str, category: str, detectors: Detectors
) -> None:
    assert detectors.find(text) == []
    assert [(each.category, each.value) for each in detectors.find(text, label)] == [
        (category, text)
    ]


def test_the_same_text_is_found_again_from_what_was_kept_and_no_content_is_kept() -> None:
    chosen = Detectors()
    first = chosen.find(TEXT)
    assert chosen.find(TEXT) == first
    kept = chosen._kept._spans
    assert len(kept) == 1
    ((digest, spans),) = kept.items()
    assert len(digest) == 16
    assert spans.typecode == "I"


def test_what_is_kept_is_bounded() -> None:
    chosen = Detectors(kept_spans=100)
    for number in range(50):
        chosen.find(f"Frau Anna Müller {number}")
    assert 0 < len(chosen._kept._spans) <= 12
    assert chosen._kept._size <= 100


def test_threads_may_share_the_detectors(detectors: Detectors) -> None:
    texts = [f"Frau Anna Müller {number}, anna{number}@lindenau.example" for number in range(200)]
    expected = [Detectors().find(text) for text in texts[:3]]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(detectors.find, texts * 3))
    assert found[:3] == expected
    assert found[:200] == found[200:400] == found[400:]


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert "EMAIL" in categories(Detectors(), TEXT)
    assert asked == []


def test_the_settings_of_the_adapter_import_no_library_of_recognisers() -> None:
    code = (
        "import sys, backend_adapter.settings, backend_adapter.egress.detect.settings\n"
        "print([each for each in ('spacy', 'presidio_analyzer', 'phonenumbers', 'stdnum', 'tldextract')"
        " if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MARKS = [
    "1", "@", " ", "a@", "1 ", "1.", "1-", ":1", "A1", "Aa ", "Anna ", "Anna\n", "Herr ", "Dr. ", "A. ", "A-", "A",
    "Müller, ", "Gruß\n", "Peter und ", "password ", "password:", "tel ", "token ", "geb. ", "* 1.", "straße 1",
    "0351 4889988 ", "-----BEGIN PRIVATE KEY-----", "a://b:", "eyJ", "a=", "a: ", "|", "| a ", ";\n", "\n", "\"", "{\"a\":",
    "00", "+1", "(0", "12345 A ", "1 Aa Street, ", "xox", "DE89 ", "ß", "İ", "\U0001f600", "\x00", "von ", "Frau ",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_a_text_of_one_mark_repeated_is_looked_through_to_its_end(
    mark: str, detectors: Detectors
) -> None:
    # Whoever backtracks without end would never come to the value.
    text = mark * (60_000 // len(mark)) + "\n\nMail: anna@lindenau.example\n"
    # Or, where a private key was cut off, to the end of the text as a whole.
    assert "anna@lindenau.example" in "".join(each.value for each in detectors.find(text)[-1:])


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=400))
@example("İ Frau Müller, geb. am 05.03.1987")
@example("A-Z-A-Z Anna-")
@example("\ud800 Frau Müller")
def test_whatever_the_text_the_findings_are_apart_and_in_order(
    detectors: Detectors, text: str
) -> None:
    end = 0
    for each in detectors.find(text):
        assert end <= each.start < each.end <= len(text)
        assert each.value == text[each.start : each.end]
        end = each.end


@settings(deadline=None, max_examples=60)
@given(
    before=st.text(alphabet="abc xyz.,\n", max_size=80),
    after=st.text(alphabet="abc xyz.,\n", max_size=80),
)
def test_a_value_is_found_wherever_it_stands(before: str, after: str, detectors: Detectors) -> None:
    text = f"{before} anna@lindenau.example, DE89370400440532013000 {after}"
    assert {"EMAIL", "IBAN"} <= set(categories(detectors, text))

"""Receipts as a table and as pages, whatever stands in them."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pypdfium2
import pytest
import reportlab
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from receipt_samples import TIME, chained, made

from backend_adapter.egress.receipts.chain import BrokenChainError, Link
from backend_adapter.egress.receipts.export import COLUMNS, cell, write_csv
from backend_adapter.egress.receipts.report import Report
from backend_adapter.egress.receipts.report_words import WORDS, Language

HEAD = (7, "ab" * 32)
# A font with more letters than the PDF readers' own.
VERA = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


async def rows(links: list[Link]) -> AsyncIterator[Link]:
    for link in links:
        yield link


async def table(links: list[Link]) -> list[dict[str, str]]:
    out = io.StringIO(newline="")
    assert await write_csv(out, rows(links)) == len(links)
    text = out.getvalue()
    assert text.count("\r\n") == text.count("\n") == len(links) + 1
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def pages(report: Report) -> list[str]:
    document = pypdfium2.PdfDocument(report.pdf())
    return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


async def test_a_table_has_a_line_for_each_receipt_with_every_field():
    first, second = links = chained(
        [made(user='Jörg "J", Müller'), made(None, action="refuse", counts={})]
    )
    [one, two] = await table(links)
    assert tuple(one) == COLUMNS
    assert one == {
        "seq": "1",
        "time": "2026-11-27T08:30:12.345Z",
        "user": 'Jörg "J", Müller',
        "client": "site",
        "chat": "chat-1",
        "message": "message-1",
        "task": "",
        "model": "m",
        "destination": "cluster",
        "site": "Lyon",
        "trust": "partner",
        "action": "pseudonymise",
        "policy": "policy.yaml:7",
        "data_class": "internal",
        "passages": "3 × files",
        "counts": "1 × iban, 4 × person",
        "bytes": "78",
        "body_sha256": first.receipt.body_sha256 if first.receipt else "",
        "previous": "0" * 64,
        "hash": first.hash,
    }
    assert (two["seq"], two["bytes"], two["counts"], two["hash"]) == ("2", "0", "", second.hash)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "  '=1"),
        ("\t=1", " '=1"),
        ("\r\n=1", " '=1"),
        ("＝1+1", "'＝1+1"),
        ('x";=1+1', "x\";'=1+1"),
        ("a;=cmd|'/C calc'!A0", "a;'=cmd|'/C calc'!A0"),
        ("a, @x", "a, '@x"),
        ("two\nlines", "two lines"),
        ("2026-11-27", "2026-11-27"),
        ("anna@example.org", "anna@example.org"),
        ("a-b", "a-b"),
    ],
)
async def test_no_spreadsheet_computes_what_somebody_wrote(given: str, shown: str):
    assert cell(given) == shown
    [line] = await table(chained([made(user=given)]))
    assert line["user"] == shown


@given(st.text(max_size=40))
def test_no_cell_of_any_separator_begins_as_a_formula(text: str):
    for separator in (";", ",", "|", "\t"):
        for part in cell(text).split(separator):
            assert not part.strip().strip('"').strip().startswith(tuple("=+-@＝＋－＠"))


async def test_a_row_that_cannot_be_read_ends_an_export():
    links = chained([made(), made()])
    links[1] = replace(links[1], receipt=None)
    with pytest.raises(BrokenChainError, match="Receipt 2"):
        await table(links)
    with pytest.raises(BrokenChainError, match="Receipt 2"):
        Report(HEAD).add("chat-1", links)


@pytest.mark.parametrize("language", ["de", "en"])
def test_pages_of_a_chat_say_what_left_and_the_sums(language: Language):
    words = WORDS[language]
    links = chained(
        [
            made(),
            made(destination="swarm", site="Graz", trust="public", time=TIME + timedelta(hours=1)),
            made(None, action="refuse", task="title_generation", counts={}, passages={}),
        ]
    )
    report = Report(HEAD, language)
    report.add("chat-1", links)
    [page] = pages(report)
    for expected in (
        words.title,
        f"{words.chat}: chat-1",
        words.head.format(*HEAD),
        words.period.format("2026-11-27T08:30:12.345Z", "2026-11-27T08:30:12.345Z", 3),
        words.action["pseudonymise"],
        words.action["refuse"],
        "1 × iban, 4 × person",
        "title_generation",
        "policy.yaml:7",
        f"{words.category_columns[0]} {words.category_columns[1]} iban 2 person 8 {words.total} 10",
        f"cluster Lyon {words.trust['partner']} 2 3 5 78",
        f"swarm Graz {words.trust['public']} 1 3 5 78",
        f"{words.page} 1/1",
    ):
        assert expected in page, page
    assert (links[0].receipt or made()).body_sha256[:16] in page


def test_each_chat_begins_a_page_and_long_ones_repeat_their_headings():
    report = Report(HEAD)
    report.add("long", chained([made(message=str(number)) for number in range(100)]))
    report.add("", chained([made(chat="")]))
    said = pages(report)
    assert len(said) > 3
    assert all("Policy line" in page for page in said[:-2])
    assert "Chat: long" in said[0]
    assert WORDS["en"].without_chat in said[-1]
    numbers = " ".join(said[:-1])
    assert all(f" {seq} 2026-11-27" in numbers for seq in range(1, 101))


def test_an_empty_selection_is_a_page_that_says_so():
    [page] = pages(Report(HEAD, "de"))
    assert WORDS["de"].nothing in page
    assert HEAD[1] in page


def test_letters_that_the_font_lacks_are_written_by_their_numbers():
    report = Report(HEAD)
    report.add("chat-1", chained([made(user="Łuk 李 \u202egpj", site="Zürich „Süd“ 5 €")]))
    [page] = pages(report)
    assert "[U+0141]uk [U+674E] [U+202E]gpj" in page
    assert "Zürich „Süd“ 5 €" in page


def test_a_font_of_ones_own_shows_more_letters():
    report = Report(HEAD, font=VERA)
    report.add("chat-1", chained([made(user="Łuk 李")]))
    [page] = pages(report)
    assert "Łuk [U+674E]" in page


def test_a_name_in_another_normal_form_is_written_the_usual_way():
    report = Report(HEAD)
    report.add("chat-1", chained([made(user="Mu\u0308ller")]))
    assert "Müller" in pages(report)[0]


@pytest.mark.parametrize("length", [0, 1, 10_000])
def test_a_row_fits_on_a_page_however_long_its_texts_are(length: int):
    texts = dict.fromkeys(("user", "client", "chat", "model", "destination", "site"), "W" * length)
    counts = {f"category {number}": 1 for number in range(200)}
    report = Report(HEAD)
    report.add("W" * length, chained([made(**texts, counts=counts) for _ in range(3)]))
    assert len(pages(report)) <= 12


@given(st.text(st.characters(codec=None), max_size=60))
@hypothesis_settings(max_examples=50)
def test_any_text_makes_a_file_that_can_be_read(text: str):
    report = Report(HEAD)
    report.add(text, chained([made(user=text, model=text, counts={text: 1})]))
    assert "policy.yaml:7" in pages(report)[0]


def test_a_font_that_is_none_is_an_error(tmp_path: Path):
    (tmp_path / "none.ttf").write_text("no font")
    for font in (tmp_path / "none.ttf", tmp_path / "gone.ttf"):
        with pytest.raises((OSError, ValueError)):
            Report(HEAD, font=font)

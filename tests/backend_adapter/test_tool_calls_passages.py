"""Picking the sentence that a question is about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.passages import (
    MAX_TEXT,
    SHORT_RESULT,
    relevant_text,
    split_passages,
    split_sentences,
)

RESULT = """[1] public/tax.md#section=Dogs (public)
## Dogs

The annual dog tax is 96 euros for the first dog. Each further dog costs 180 euros a year.

[2] public/library.md#section=Opening hours (public)
Opening hours
-------------
- The library is open on Saturday from 10 am to 2 pm.
- It is closed on Monday.

[3] public/ids.md#section=Gebühren (public)
| Dokument | Gebühr |
| --- | --- |
| Personalausweis | 37,00 Euro |
| Reisepass | 70,00 Euro |"""


@pytest.mark.parametrize(
    ("question", "fact"),
    [
        ("How much is the dog tax for the first dog?", "96 euros"),
        ("When is the library open on Saturday?", "10 am to 2 pm"),
        ("Wie hoch ist die Gebühr für den Reisepass?", "Gebühr: 70,00 Euro"),
    ],
)
def test_the_sentence_that_shares_the_question_s_words_is_chosen(question: str, fact: str) -> None:
    chosen = relevant_text(question, RESULT)

    assert fact in chosen
    assert "\n" not in chosen


def test_a_short_result_is_kept_whole_without_its_source() -> None:
    assert relevant_text("Who?", "[1] a.md\nAnna Lund. Ole Brandt.") == "Anna Lund. Ole Brandt."


def test_passages_keep_their_sources() -> None:
    assert [passage.source[:3] for passage in split_passages(RESULT)] == ["[1]", "[2]", "[3]"]
    assert split_passages("no source") == [("", "no source")]


def test_headings_rules_and_table_heads_are_no_sentences() -> None:
    assert split_sentences(RESULT.split("\n", 1)[1].split("[2]", 1)[0]) == [
        "The annual dog tax is 96 euros for the first dog.",
        "Each further dog costs 180 euros a year.",
    ]
    assert split_sentences("| A | B |\n| --- | --- |\n| 1 | 2 |") == ["A: 1; B: 2"]


def test_dates_and_initials_do_not_end_a_sentence() -> None:
    text = "Das Fest ist vom 19. bis zum 21. Juni 2026. Die Musik endet um 24 Uhr."

    assert split_sentences(text) == [
        "Das Fest ist vom 19. bis zum 21. Juni 2026.",
        "Die Musik endet um 24 Uhr.",
    ]


def test_a_sentence_that_a_page_broke_is_whole_again() -> None:
    page = (
        "It received its town charter in the year of 1278, they say. The mayor is\nDr. Anna Lund."
    )

    assert split_sentences(page)[-1] == "The mayor is Dr. Anna Lund."


@given(st.text(max_size=200), st.text(max_size=3000))
def test_any_result_gives_a_text_of_bounded_length(question: str, result: str) -> None:
    assert len(relevant_text(question, result)) <= max(MAX_TEXT + 1, SHORT_RESULT)

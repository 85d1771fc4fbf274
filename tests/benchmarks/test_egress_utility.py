"""The questions of the utility benchmark, and the program that answers them from what it is told."""

from typing import Any

import pytest

from benchmarks.egress.utility.oracle import answer
from benchmarks.egress.utility.questions import known_values, questions

TABLE = """| name | phone | born_on |
| --- | --- | --- |
| Anna Lang | 0351 1 | 1987-03-05 |
| Jörg Weißmüller | 0351 2 | 1960-12-24 |

rows: 2
source: query on database lindenau (internal): SELECT …"""


def asked(question: str, told: str) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "c1", "content": told},
    ]
    return {"model": "m", "messages": messages}


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Welche Nummer (phone) hat Jörg Weißmüller?", "Welche Nummer: 0351 2."),
        ("Welche Nummer (phone) hat Anna Lang?", "Welche Nummer: 0351 1."),
        ("Wer (name) ist am frühesten geboren (born_on)?", "Das ist Jörg Weißmüller."),
    ],
)
def test_the_oracle_reads_the_row_that_a_question_speaks_of(question: str, said: str) -> None:
    assert answer(asked(question, TABLE)) == said


def test_the_oracle_answers_under_the_names_that_it_is_told() -> None:
    told = TABLE.replace("Jörg Weißmüller", "Person-K7Q").replace("0351 2", "Telefon-B2C")
    assert (
        answer(asked("Welche Nummer (phone) hat Person-K7Q?", told))
        == "Welche Nummer: Telefon-B2C."
    )


def test_the_oracle_says_the_line_of_a_document_that_fits_best() -> None:
    told = "The yard is open on Monday.\nThe assembly point is the fountain."
    assert (
        answer(asked("Where is the assembly point?", told)) == "The assembly point is the fountain."
    )


def test_a_hundred_questions_are_the_same_for_one_seed_and_have_their_answers_in_what_is_told() -> (
    None
):
    made = questions(100, seed=1)
    assert len(made) == 100
    assert made == questions(100, seed=1)
    for question in made:
        words = " ".join(question.result.split())
        assert all(text in words for text in question.expected), question.text


def test_the_oracle_is_right_about_all_tables_that_were_made() -> None:
    made = [each for each in questions(100, seed=1) if "(" in each.text]
    assert len(made) > 60
    wrong = [
        each.text
        for each in made
        if not all(text in answer(asked(each.text, each.result)) for text in each.expected)
    ]
    assert not wrong


def test_the_site_lists_its_people() -> None:
    known = known_values()
    assert len(known["person"]) > 2000
    assert all(values == list(dict.fromkeys(values)) for values in known.values())

"""The corpus of the egress benchmark: what it says is personal is where it says, and is what it says it is."""

import re
from collections import Counter

import pytest
from stdnum import iban, luhn
from stdnum.at import uid
from stdnum.de import idnr, vat

from benchmarks.egress.corpus import CATEGORIES, HELD_OUT, OPEN, Document, generate
from benchmarks.egress.values import Values, id_check_digit, kvnr_check_digit, rvnr_check_digit


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return generate(seed=5, each=4)


def said(documents: list[Document], category: str) -> list[str]:
    return [
        document.text[gold.start : gold.end]
        for document in documents
        for gold in document.gold
        if gold.category == category
    ]


def test_one_seed_gives_one_corpus(documents: list[Document]) -> None:
    assert generate(seed=5, each=4) == documents
    assert generate(seed=6, each=4) != documents


def test_every_category_is_there_in_both_parts_together_and_no_placeholder_is_left(
    documents: list[Document],
) -> None:
    counts = Counter(gold.category for document in documents for gold in document.gold)
    assert set(counts) == set(CATEGORIES)
    assert {document.part for document in documents} == {OPEN, HELD_OUT}
    for document in documents:
        assert not re.search(r"\{[!~]?[a-z_]+[.:}]|%\d+%|===", document.text), document.template


def test_values_lie_apart_and_from_left_to_right(documents: list[Document]) -> None:
    for document in documents:
        ends = [0]
        for gold in sorted([*document.gold, *document.neutral], key=lambda each: each.start):
            assert ends[-1] <= gold.start < gold.end <= len(document.text)
            ends.append(gold.end)
        assert list(document.gold) == sorted(document.gold, key=lambda each: each.start)


@pytest.mark.parametrize(
    ("category", "is_valid"),
    [
        ("IBAN", iban.is_valid),
        ("CREDIT_CARD", lambda text: luhn.is_valid(re.sub(r"\D", "", text))),
        ("DE_TAX_ID", idnr.is_valid),
        ("DE_SOCIAL_SECURITY", lambda text: _checks(text, 11, rvnr_check_digit)),
        ("DE_HEALTH_INSURANCE", lambda text: _checks(text, 9, kvnr_check_digit)),
        ("VAT_ID", lambda text: uid.is_valid(text) or vat.is_valid(text)),
        ("EMAIL", re.compile(r"[\w.+-]+@([\w-]+\.)*example\.(com|net|org)").fullmatch),
    ],
)
def test_values_are_valid(category: str, is_valid: object, documents: list[Document]) -> None:
    values = said(documents, category)
    assert values
    assert all(is_valid(value) for value in values)  # type: ignore[operator]


def _checks(text: str, count: int, digit: object) -> bool:
    plain = "".join(text.split())
    return plain[count:] == digit(plain[:count])  # type: ignore[operator]


def test_check_digits_are_those_of_published_examples() -> None:
    assert rvnr_check_digit("15070649C10") == "3"
    assert kvnr_check_digit("A12345678") == "0"
    assert id_check_digit("L01X00T47") == "1"


def test_what_is_harmless_is_not_valid_by_chance() -> None:
    values = Values(1)
    assert not any(luhn.is_valid(values.harmless("long", "de")) for _ in range(200))

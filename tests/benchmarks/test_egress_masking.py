"""Where a text was masked, told from what left of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.egress.masking import places
from benchmarks.egress.scoring import Place

TEXT = "Frau Anna Lang,\nTel. 0351 4889988."


def test_each_mask_is_a_place() -> None:
    masked = "Frau <PERSON>,\nTel. <PHONE_NUMBER>."
    assert list(places(TEXT, masked)) == [Place(5, 14, "PERSON"), Place(21, 33, "PHONE_NUMBER")]


def test_the_whole_text_may_be_masked_and_nothing_of_it() -> None:
    assert list(places(TEXT, "<LISTED>")) == [Place(0, len(TEXT), "LISTED")]
    assert list(places(TEXT, TEXT)) == []


@given(st.lists(st.tuples(st.text("ab .*", min_size=1), st.text("xy\n", min_size=1)), max_size=6))
def test_what_was_masked_is_found_again(parts: list[tuple[str, str]]) -> None:
    text = "".join(kept + hidden for kept, hidden in parts)
    masked = "".join(f"{kept}<PERSON>" for kept, _ in parts)
    assert [text[each.start : each.end] for each in places(text, masked)] == [
        hidden for _, hidden in parts
    ]


def test_another_text_is_refused() -> None:
    with pytest.raises(SystemExit, match="no masked form"):
        list(places(TEXT, "Herr <PERSON>"))

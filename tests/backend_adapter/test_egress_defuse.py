"""Attacks on the reader's browser by an answer: in what is shown of it, nothing loads or links by itself."""

import pytest
from defuse_judge import dangers
from defuse_samples import ATTACKS, PIECES, E, defused
from hypothesis import example, given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "around", ["{}", "Vorher {} nachher", "- {}\n\nEnde `x`", "> {}\n\n```py\n1\n```"]
)
def test_nothing_is_loaded_or_linked(attack: str, around: str) -> None:
    assert dangers(defused(around.replace("{}", attack))) == []


def test_the_judge_sees_what_the_table_attacks() -> None:
    assert sum(bool(dangers(attack)) for attack in ATTACKS) > 0.75 * len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_was_defused_stays_as_it_is(attack: str) -> None:
    once = defused(attack)

    assert dangers(defused(once)) == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join),
    st.lists(st.integers(0, 10_000), max_size=12),
)
@example(f"`a` ![b]({E})", list(range(60)))
def test_mixtures_are_defused_however_they_are_cut(text: str, cuts: list[int]) -> None:
    whole = defused(text)

    assert defused(text, cuts) == whole
    assert dangers(whole) == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="`~\n \t>-1.[]()!<>\\$|:/a&;#\"'=*_{}", max_size=60), st.data())
def test_every_cut_gives_the_same(text: str, data: st.DataObject) -> None:
    text = text.replace("a", data.draw(st.sampled_from(["a", "img", E, "www.evil.example", "b"])))
    whole = defused(text)

    assert "".join(defused(text, list(range(len(text))))) == whole
    assert dangers(whole) == []

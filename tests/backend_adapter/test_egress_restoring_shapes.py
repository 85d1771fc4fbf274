"""A pattern knows what may still become a match of it, and how long one is at most."""

import re
from itertools import product

from hypothesis import assume, given
from hypothesis import strategies as st

from backend_adapter.egress.naming import dates, iban, tokens
from backend_adapter.egress.naming.shapes import Shape, either, literal, maybe, one, row, times

LEAVES = st.one_of(
    st.sampled_from(["[ab]", "a", "b", "[c-]"]).map(one),
    st.text("abc.", min_size=1, max_size=3).map(literal),
)
SHAPES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda shapes: row(*shapes)),
        st.lists(inner, min_size=1, max_size=3).map(lambda shapes: either(*shapes)),
        inner.map(maybe),
        st.tuples(inner, st.integers(0, 2), st.integers(0, 2)).map(
            lambda given: times(given[0], given[1], given[1] + given[2])
        ),
    ),
    max_leaves=5,
)
LETTERS = "abc.-"


def begins(shape: Shape, text: str) -> bool:
    return re.compile(f"(?:{shape.begun})").match(text) is not None


@given(SHAPES, st.data())
def test_every_beginning_of_a_match_may_become_one(shape: Shape, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(f"(?:{shape.whole})", re.ASCII), fullmatch=True))
    assert len(text) <= shape.longest
    assert all(begins(shape, text[:end]) for end in range(len(text) + 1))


@given(SHAPES, st.text(LETTERS, max_size=4))
def test_what_begins_one_are_the_texts_that_can_become_one(shape: Shape, text: str) -> None:
    more = shape.longest - len(text)
    # All that it could become can be tried where that is not much longer.
    assume(more <= 4)
    whole = re.compile(f"(?:{shape.whole})")
    ends = (end for length in range(more + 1) for end in product(LETTERS, repeat=length))
    assert begins(shape, text) == any(whole.fullmatch(text + "".join(end)) for end in ends)


@given(st.data())
def test_every_beginning_of_a_pseudonym_may_become_one(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from([tokens.SHAPE, dates.SHAPE, iban.shape("de", 22)]))
    text = data.draw(st.from_regex(re.compile(shape.whole, re.ASCII), fullmatch=True))
    assert len(text) <= shape.longest
    assert all(begins(shape, text[:end]) for end in range(len(text) + 1))
    assert not begins(shape, f"{text}§")

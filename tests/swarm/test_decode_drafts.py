"""Drafts from what was said before."""

from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.petals.decode.drafts import Draft, FirstOf, NGrams

few = st.lists(st.integers(0, 3), max_size=60)


def made(ids):
    drafter = NGrams()
    drafter.extend(ids)
    return drafter


@settings(deadline=None)
@given(few, st.integers(1, 12))
def test_a_draft_follows_a_place_that_ends_as_the_sequence_does(ids, most):
    draft = made(ids).propose(most)
    places = [end for end in range(2, len(ids)) if ids[end - 2 : end] == ids[-2:]]
    assert bool(draft.ids) == bool(places)
    if not places:
        return

    def behind(end):
        found = ids[end : end + most]
        while len(found) < most:
            found.append(found[end - len(ids)])
        return tuple(found)

    assert draft.ids in {behind(end) for end in places}


@settings(deadline=None)
@given(few, st.lists(st.integers(1, 5)))
def test_an_index_that_grew_is_the_same_as_one_made_at_once(ids, steps):
    grown, left = NGrams(), list(ids)
    for step in steps:
        grown.extend(left[:step])
        del left[:step]
    grown.extend(left)
    assert grown.propose(8) == made(ids).propose(8)


def test_the_place_with_more_in_common_is_taken():
    ids = [7, 8, 1, 2, 50, 9, 1, 2, 60, 7, 8, 1, 2]
    assert made(ids).propose(1).ids == (50,)
    ids = [8, 1, 2, 50, 9, 1, 2, 60, 5, 8, 1, 2]
    assert made(ids).propose(1) == Draft((50,), "ngram3")


def test_of_places_with_as_much_in_common_the_latest_is_taken():
    assert made([1, 2, 50, 0, 1, 2, 60, 3, 1, 2]).propose(2).ids == (60, 3)


def test_what_repeats_itself_is_foreseen_beyond_its_end():
    assert made([5, 6, 7, 5, 6, 7, 5, 6]).propose(7).ids == (7, 5, 6, 7, 5, 6, 7)


def test_longer_matches_are_of_another_kind():
    short, long = made([1, 2, 3, 1, 2]), made([*range(30), 99, *range(30)])
    assert (short.propose(1).kind, long.propose(1).kind) == ("ngram2", "ngram24")


def test_nothing_is_guessed_of_what_is_new():
    assert made([1, 2, 3, 4]).propose(4) == Draft()
    assert made([]).propose(4) == Draft()


def test_the_first_that_has_a_guess_is_asked():
    class Always:
        said: list[int]

        def __init__(self):
            self.said = []

        def extend(self, ids):
            self.said += ids

        def propose(self, most):
            return Draft((9,) * most, "always")

    always = Always()
    both = FirstOf(NGrams(), always)
    both.extend([1, 2, 3])
    assert both.propose(2) == Draft((9, 9), "always")
    both.extend([1, 2])
    assert both.propose(1) == Draft((3,), "ngram2")
    assert always.said == [1, 2, 3, 1, 2]

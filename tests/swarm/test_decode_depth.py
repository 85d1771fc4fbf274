"""How much is drafted follows what came of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.petals.decode.depth import Cost, Depth, best_depth, expected_tokens


@settings(deadline=None)
@given(st.floats(0, 0.999), st.integers(0, 20))
def test_expected_tokens_are_the_sum_of_what_each_draft_adds(chance, drafted):
    assert expected_tokens(chance, drafted) == pytest.approx(
        sum(chance**each for each in range(drafted + 1)), rel=1e-6
    )


def test_certain_drafts_are_all_right():
    assert expected_tokens(1.0, 5) == 6


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(1e-4, 1), st.floats(1e-6, 0.1), st.integers(0, 16))
def test_no_other_depth_gives_more_tokens_a_second(chance, fixed, each, most):
    def speed(drafted):
        return expected_tokens(chance, drafted) / (fixed + (drafted + 1) * each)

    best = best_depth(chance, fixed, each, most)
    assert 0 <= best <= most
    assert speed(best) >= max(speed(other) for other in range(most + 1)) * (1 - 1e-6)


def test_a_longer_way_is_worth_more_drafts():
    near, far = (best_depth(0.6, way, 0.01, 16) for way in (0.005, 0.2))
    assert near < far


@settings(deadline=None)
@given(st.floats(0.001, 1), st.floats(0.0005, 0.05))
def test_what_a_round_costs_is_learnt(fixed, each):
    cost = Cost()
    for tokens in [1, 9, 4, 1, 6, 2, 9, 1, 3, 8] * 3:
        cost.learn(tokens, fixed + tokens * each)
    assert cost.fixed_s == pytest.approx(fixed, rel=0.02)
    assert cost.per_token_s == pytest.approx(each, rel=0.02)


def test_rounds_of_one_length_do_not_tell_what_a_token_costs():
    cost = Cost()
    for _ in range(20):
        cost.learn(1, 0.2)
    assert cost.fixed_s + cost.per_token_s == pytest.approx(0.2)
    assert cost.per_token_s == Cost().per_token_s


def test_drafts_that_are_never_right_are_given_up_and_tried_again_now_and_then():
    depth = Depth(8, Cost(0.01, 0.01))
    sent = []
    for _ in range(200):
        drafted = depth.best("bad", 8)
        sent.append(drafted)
        depth.learn("bad", drafted, 0, 0.01 + 0.01 * (drafted + 1))
    assert sent[0] > 0
    assert 0 < sum(sent[-64:]) <= 8
    for _ in range(400):
        drafted = depth.best("bad", 8)
        depth.learn("bad", drafted, drafted, 0.01 + 0.01 * (drafted + 1))
    assert depth.best("bad", 8) > 1


def test_drafts_that_are_always_right_become_as_long_as_allowed():
    depth = Depth(8, Cost(0.05, 0.005))
    for _ in range(30):
        drafted = depth.best("good", 8)
        depth.learn("good", drafted, drafted, 0.05 + 0.005 * (drafted + 1))
    assert depth.best("good", 8) == 8
    assert depth.best("good", 3) == 3


def test_kinds_are_told_apart():
    depth = Depth(8, Cost(0.01, 0.01))
    for _ in range(30):
        depth.learn("bad", 4, 0, 0.06)
        depth.learn("good", 4, 4, 0.06)
    assert depth.chance("bad") < 0.3 < 0.9 < depth.chance("good")


def test_what_lies_behind_a_wrong_draft_says_nothing_of_the_kind():
    depth = Depth(8)
    for _ in range(60):
        depth.learn("half", 8, 1, 0.1)
    # One right and one wrong each round; six were never looked at.
    assert depth.chance("half") == pytest.approx(0.5, abs=0.05)


def learnt(way_s, drafting_s, chance, rounds=60):
    """What a model that is right so often does to the depth, and how many tokens of it were sent each round."""
    depth, sent = Depth(8), []
    depth.cost.learn_drafting("model", drafting_s)
    for number in range(rounds):
        drafted = depth.best("model", 8)
        sent.append(drafted)
        accepted = drafted if number % 100 < 100 * chance else 0
        took = way_s + 0.001 * (drafted + 1)
        depth.learn("model", drafted, accepted, took, drafting_s if drafted else 0.0)
    return depth, sent


def test_a_draft_model_that_is_slower_than_a_round_is_left_alone_and_ngrams_are_not():
    depth, sent = learnt(way_s=0.002, drafting_s=0.03, chance=0.9)
    for _ in range(20):
        depth.learn("ngram4", depth.best("ngram4", 8), 8, 0.003)
    # At first a round is believed to take longer; once it was measured, nothing is tried again.
    assert sum(sent[8:]) == 0
    assert depth.best("ngram4", 8) == 8


def test_a_draft_model_pays_where_the_way_is_long_even_if_it_was_left_alone_before():
    depth, sent = learnt(way_s=0.002, drafting_s=0.03, chance=0.9)
    assert sent[-1] == 0
    for _ in range(60):
        depth.learn("", 0, 0, 0.3)
    assert depth.best("model", 8) >= 2


@settings(deadline=None)
@given(st.floats(0.1, 0.95), st.floats(1e-3, 0.5), st.floats(1e-4, 0.05), st.floats(1e-5, 0.2))
def test_the_time_of_drafting_counts_as_much_as_that_of_the_round(chance, fixed, each, drafting):
    def speed(drafted):
        seconds = fixed + (drafted + 1) * each + drafted * drafting
        return expected_tokens(chance, drafted) / seconds

    best = best_depth(chance, fixed, each, 12, drafting)
    assert speed(best) >= max(speed(other) for other in range(13)) * (1 - 1e-6)


def test_what_drafting_takes_is_to_be_measured_anew_where_nobody_has_drafted_for_long():
    depth = Depth(8, Cost(0.05, 0.002))
    depth.cost.learn_drafting("model", 0.005)
    assert depth.best("model", 8) > 1
    # A busy hour.
    for _ in range(80):
        depth.cost.learn_drafting("model", 0.5)
    for _ in range(255):
        assert depth.best("model", 8) == 0
        depth.learn("", 0, 0, 0.052)
        assert not depth.cost.out_of_date("model")
    depth.learn("", 0, 0, 0.052)
    assert depth.cost.out_of_date("model")
    depth.cost.learn_drafting("model", 0.005, anew=True)
    assert not depth.cost.out_of_date("model")
    assert depth.best("model", 8) > 1


def test_a_model_that_is_wrong_in_one_answer_is_tried_again_in_it():
    depth, sent = learnt(way_s=0.05, drafting_s=0.02, chance=0.0, rounds=100)
    assert sent[0] > 0
    assert 2 <= sum(sent[-64:]) <= 4
    for _ in range(400):
        drafted = depth.best("model", 8)
        depth.learn("model", drafted, drafted, 0.05 + 0.001 * (drafted + 1), 0.02)
    assert depth.best("model", 8) > 1


def test_what_the_grammar_refuses_counts_as_wrong():
    depth = Depth(8, Cost(0.01, 0.01))
    before = depth.chance("model")
    depth.refused("model")
    assert depth.chance("model") < before
    for _ in range(50):
        depth.refused("model")
    assert depth.best("model", 8) == 0

"""Tokens are chosen as transformers chooses them, with the probabilities that were asked for."""

import importlib
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from local import quiet_transformers

from backend_adapter.petals.decode.sampling import Sampler, Sampling, Token, noise

quiet_transformers()
theirs = importlib.import_module("transformers.generation.logits_process")

VOCABULARY = 40
# A chi-square statistic above this comes by chance once in a million times, by Wilson and Hilferty's approximation.
ONE_IN_A_MILLION = 4.753


def scores(seed=0, vocabulary=VOCABULARY):
    return 2 * torch.randn(vocabulary, generator=torch.Generator().manual_seed(seed))


def most_by_chance(freedom):
    """Chi-square with `freedom` degrees is above this once in a million times."""
    part = 2 / (9 * freedom)
    return freedom * (1 - part + ONE_IN_A_MILLION * math.sqrt(part)) ** 3


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    temperature=st.floats(0.1, 3),
    top_k=st.integers(0, VOCABULARY + 5),
    top_p=st.floats(0.05, 1),
    repetition=st.floats(0.5, 2),
    prompt=st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=8),
)
def test_processed_scores_are_those_of_transformers(
    seed, temperature, top_k, top_p, repetition, prompt
):
    row, said = scores(seed), [3, 7, 7]
    ids = torch.tensor([[*prompt, *said]])
    expected = theirs.RepetitionPenaltyLogitsProcessor(repetition)(ids, row[None].clone())
    expected = theirs.TemperatureLogitsWarper(temperature)(ids, expected)
    if top_k:
        expected = theirs.TopKLogitsWarper(top_k)(ids, expected)
    if top_p < 1:
        expected = theirs.TopPLogitsWarper(top_p)(ids, expected)
    sampler = Sampler(
        Sampling(temperature=temperature, top_k=top_k, top_p=top_p, repetition_penalty=repetition),
        VOCABULARY,
    )
    if sampler.greedy:
        return
    sampler.begin(prompt)
    for token in said:
        sampler.said(token)
    ours = sampler.processed(row).softmax(-1)
    torch.testing.assert_close(ours, expected[0].softmax(-1), atol=1e-5, rtol=1e-4)


def test_presence_and_frequency_count_the_answer_only():
    row = torch.zeros(VOCABULARY)
    sampler = Sampler(
        Sampling(temperature=0, presence_penalty=0.5, frequency_penalty=0.25), VOCABULARY
    )
    sampler.begin([1, 1, 2])
    for token in (2, 3, 3, 3):
        sampler.said(token)
    changed = sampler.processed(row)
    assert changed[[1, 2, 3]].tolist() == [0.0, -0.75, -1.25]


def test_a_bias_forbids_and_forces():
    row = scores()
    forbidden = Sampler(Sampling(temperature=0, logit_bias={int(row.argmax()): -100}), VOCABULARY)
    assert forbidden.choose(row, 0) == int(row.topk(2).indices[1])
    forced = Sampler(Sampling(logit_bias={5: 100.0, 10**6: 100.0}), VOCABULARY)
    assert {forced.choose(row, position) for position in range(20)} == {5}


def test_min_p_keeps_what_is_likely_enough():
    row = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    kept = Sampler(Sampling(min_p=0.29), 4).processed(row)
    assert (kept > -torch.inf).tolist() == [True, True, True, False]


def test_a_nucleus_wider_than_the_first_look_is_found():
    row = torch.zeros(5000)
    kept = Sampler(Sampling(top_p=0.5), 5000).processed(row) > -torch.inf
    assert 2499 <= int(kept.sum()) <= 2502


def test_what_is_not_allowed_is_never_chosen():
    row, mask = scores(), torch.zeros(VOCABULARY, dtype=torch.bool)
    mask[[4, 9]] = True
    sampler = Sampler(Sampling(temperature=2.0, repetition_penalty=1.3, top_p=0.9), VOCABULARY)
    sampler.begin([4])
    assert {sampler.choose(row, position, mask) for position in range(100)} <= {4, 9}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(seed=1),
        Sampling(seed=2, temperature=0.7, top_p=0.9),
        Sampling(seed=3, temperature=1.5, top_k=12, min_p=0.02),
    ],
)
def test_samples_have_the_distribution_that_was_asked_for(sampling):
    vocabulary, drawn = 16, 20000
    row = scores(5, vocabulary) / 2
    sampler = Sampler(sampling, vocabulary)
    expected = sampler.processed(row).softmax(-1) * drawn
    found = torch.bincount(
        torch.tensor([sampler.choose(row, position) for position in range(drawn)]),
        minlength=vocabulary,
    )
    possible = expected > 0
    assert int(found[~possible].sum()) == 0
    statistic = float(((found - expected)[possible] ** 2 / expected[possible]).sum())
    assert statistic < most_by_chance(int(possible.sum()) - 1)


def test_noise_of_neighbouring_positions_and_seeds_is_not_related():
    rows = torch.stack([noise(seed, place, 2000) for seed in (0, 1) for place in (0, 1)])
    related = torch.corrcoef(rows) - torch.eye(4)
    # Six pairs of 2,000 numbers: 0.11 is five standard deviations.
    assert float(related.abs().max()) < 0.11
    assert torch.isfinite(rows).all()


def test_a_seed_gives_the_same_again_and_none_something_else():
    row = torch.zeros(10000)
    first, again, other = (Sampler(Sampling(seed=seed), 10000) for seed in (8, 8, 9))
    drawn = [[each.choose(row, place) for place in range(5)] for each in (first, again, other)]
    assert drawn[0] == drawn[1] != drawn[2]
    unseeded = [Sampler(Sampling(), 10000).choose(row, 0) for _ in range(5)]
    assert len(set(unseeded)) > 1


def test_log_probabilities_are_the_models_own():
    row = scores()
    told = row.log_softmax(-1)
    sampler = Sampler(Sampling(temperature=0.3, top_k=2, logprobs=3), VOCABULARY)
    token = sampler.token(11, row)
    assert token.logprob == pytest.approx(float(told[11]))
    assert [each for each, _ in token.top] == told.topk(3).indices.tolist()
    assert Sampler(Sampling(logprobs=0), VOCABULARY).token(11, row).top == ()
    assert Sampler(Sampling(), VOCABULARY).token(11, row) == Token(11)

"""A small model drafts for a large one."""

import asyncio
import gc
import json

import pytest
from gateway_parts import until
from hypothesis import given, settings
from hypothesis import strategies as st
from local import LocalSession, tiny

from backend_adapter.petals.decode import Decoder, Depth, Draft, DraftModel, Sampler, Sampling
from backend_adapter.petals.decode.draft_model import (
    check_same_tokens,
    drafting_seconds,
    load_draft_model,
)
from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.model.local import LocalCache, LocalModel
from backend_adapter.petals.model.tokenizer import Text

PROMPT = [0, 30, 31, 32]


class Four(Depth):
    """Whatever a round takes on this machine."""

    def best(self, kind, proposed):
        return min(proposed, self.most)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("one"), seed=1)


@pytest.fixture(scope="module")
def model(directory):
    return LocalModel(directory)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return LocalModel(tiny(tmp_path_factory.mktemp("other"), seed=2))


def likeliest(model, ids, count):
    """By the whole sequence, each time anew."""
    sequence = list(ids)
    for _ in range(count):
        states = LocalCache(model, 256).forward(sequence, 0, last_only=True)
        sequence.append(int(model.ends.logits(states)[0].argmax()))
    return tuple(sequence[len(ids) :])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 6),
            st.integers(0, 6),
            st.lists(st.integers(0, 262), min_size=1, max_size=8),
        ),
        max_size=5,
    )
)
def test_drafts_are_what_the_model_says_however_many_were_rejected(model, rounds):
    drafter, sequence = DraftModel(model, 256), list(PROMPT)
    drafter.extend(PROMPT)
    for drafted, accepted, behind in rounds:
        draft = drafter.propose(drafted)
        assert draft.ids == likeliest(model, sequence, drafted)
        # More than one token behind the drafts: it was another drafter's turn meanwhile.
        said = [*draft.ids[:accepted], *behind]
        drafter.extend(said)
        sequence += said


def test_a_wrong_draft_is_forgotten_though_the_sequence_has_grown_beyond_it(model):
    drafter = DraftModel(model, 256)
    drafter.extend(PROMPT)
    drafter.propose(5)
    said = [1, 2, 3, 4, 5, 6, 7, 8]
    drafter.extend(said)
    assert drafter.propose(4).ids == likeliest(model, PROMPT + said, 4)


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=7, temperature=0.9)])
def test_the_same_model_is_always_right(model, sampling):
    sampler = Sampler(sampling, model.ends.vocabulary)
    drafter = DraftModel(model, 256, sampler.choose)
    decoder = Decoder(LocalSession(model), model.ends, sampling, drafter, depth=Four(4))
    tokens = asyncio.run(collect(decoder))
    assert decoder.accepted == decoder.drafted > 20
    assert len(tokens) == 40


@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=7, temperature=0.9)])
def test_another_model_changes_nothing(model, other, sampling):
    alone = asyncio.run(collect(Decoder(LocalSession(model), model.ends, sampling)))
    drafter = DraftModel(other, 256, Sampler(sampling, model.ends.vocabulary).choose)
    decoder = Decoder(LocalSession(model), model.ends, sampling, drafter)
    assert asyncio.run(collect(decoder)) == alone
    assert decoder.drafted > 0


async def collect(decoder):
    return [token async for each in decoder.tokens(PROMPT, 40) for token in each]


def test_it_stops_where_its_room_ends(model):
    drafter = DraftModel(model, 6)
    drafter.extend(PROMPT)
    assert len(drafter.propose(8).ids) == 2
    drafter.extend([1, 2, 3])
    assert drafter.propose(8).ids == ()


def test_a_token_that_the_small_model_does_not_know_ends_its_drafts(model):
    drafter = DraftModel(model, 256)
    drafter.extend([*PROMPT, model.ends.vocabulary])
    assert drafter.propose(4).ids == ()


@pytest.mark.parametrize("more", [-3, 0, 5])
def test_tokens_are_chosen_among_those_of_the_large_model(model, more):
    vocabulary = model.ends.vocabulary + more
    sampler = Sampler(Sampling(seed=3, temperature=1.5), vocabulary)
    drafter = DraftModel(model, 256, sampler.choose, vocabulary=vocabulary)
    drafter.extend(PROMPT)
    ids = drafter.propose(100).ids
    assert len(ids) == 100
    assert max(ids) < min(vocabulary, model.ends.vocabulary)


def test_penalties_of_what_was_said_hold_for_drafts_too(model):
    sampling = Sampling(seed=7, temperature=0.9, presence_penalty=1.5, repetition_penalty=1.3)
    sampler = Sampler(sampling, model.ends.vocabulary)
    drafter = DraftModel(model, 256, sampler.choose)
    decoder = Decoder(LocalSession(model), model.ends, sampler, drafter, depth=Four(1))
    asyncio.run(collect(decoder))
    assert decoder.accepted == decoder.drafted > 15


def test_nothing_is_computed_where_the_time_is_not_worth_it(model):
    depth = Depth(8)
    depth.cost.learn_drafting("model", 10.0)
    drafter = DraftModel(model, 256, depth=depth)
    drafter.extend(PROMPT)
    assert drafter.propose(8) == Draft()
    assert not caches(model)
    again = DraftModel(model, 256, depth=Depth(8))
    again.extend(PROMPT)
    draft = again.propose(8)
    assert draft.ids
    assert draft.drafting_s > 0
    assert len(caches(model)) == 1


def test_a_long_prompt_is_read_beside_the_rounds(model):
    prompt = [*PROMPT, *(number % 200 for number in range(150))]
    drafter = DraftModel(model, 256)
    drafter.extend(prompt)
    assert drafter.propose(4) == Draft()
    # An answer goes on meanwhile.
    drafter.extend([9, 8])
    assert guess(drafter) == likeliest(model, [*prompt, 9, 8], 4)


def test_what_is_read_goes_with_the_answer(model):
    drafter = DraftModel(model, 10_000)
    drafter.extend(PROMPT * 60)
    drafter.propose(4)
    until(lambda: caches(model))
    del drafter
    until(lambda: not caches(model))


def guess(drafter):
    """Its draft, as soon as it has read what it is to continue."""
    found = []
    until(lambda: found.append(drafter.propose(4)) or found[-1].ids)
    return found[-1].ids


def caches(model):
    """The caches over this model that anybody holds."""
    return [each for each in gc.get_objects() if type(each) is LocalCache and each._model is model]


def test_a_model_with_other_tokens_is_refused(directory, tmp_path):
    text = Text(directory)
    check_same_tokens(text, Text(directory))
    changed = (directory / "tokenizer.json").read_text().replace("<|im_end|>", "<|end|>")
    (tmp_path / "tokenizer.json").write_text(changed)
    with pytest.raises(SwarmSettingsError, match=r"another tokenizer .*'<\|end\|>' is 1 to it"):
        check_same_tokens(text, Text(tmp_path))


@pytest.mark.parametrize(
    ("lacking", "cause"),
    [
        ("config.json", "lacks config.json"),
        ("model.safetensors", r"lacks \*.safetensors"),
        ("tokenizer.json", "lacks tokenizer.json"),
    ],
)
def test_a_directory_that_is_no_model_is_refused(directory, tmp_path, lacking, cause):
    for file in directory.iterdir():
        if file.name != lacking:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SwarmSettingsError, match=rf"draft_model.*{cause}") as refused:
        load_draft_model(tmp_path, Text(directory))
    assert refused.value.remedy


def test_a_model_that_nobody_computes_is_refused(directory, tmp_path):
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((directory / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "mamba"}))
    with pytest.raises(SwarmSettingsError, match="family 'mamba'"):
        load_draft_model(tmp_path, Text(directory))


def test_how_long_a_token_takes_is_measured(model):
    assert 0 < drafting_seconds(model) < 60
    assert not caches(model)

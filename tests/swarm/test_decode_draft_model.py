"""A small model drafts for a large one."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local import LocalSession, tiny

from backend_adapter.petals.decode import Decoder, Depth, DraftModel, Sampler, Sampling
from backend_adapter.petals.decode.draft_model import check_same_tokens
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


def test_a_model_with_other_tokens_is_refused(directory, tmp_path):
    text = Text(directory)
    check_same_tokens(text, Text(directory))
    changed = (directory / "tokenizer.json").read_text().replace("<|im_end|>", "<|end|>")
    (tmp_path / "tokenizer.json").write_text(changed)
    with pytest.raises(SwarmSettingsError, match="another tokenizer"):
        check_same_tokens(text, Text(tmp_path))

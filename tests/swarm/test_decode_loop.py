"""Whatever is drafted, an answer is what it would be token by token; drafts only make it faster."""

import asyncio
import itertools
from contextlib import aclosing

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from local import LocalSession, quiet_transformers, tiny

from backend_adapter.petals.decode import Decoder, Depth, Draft, NGrams, Sampling
from backend_adapter.petals.decode.depth import Cost
from backend_adapter.petals.errors import GenerationError
from backend_adapter.petals.model.local import LocalModel

PROMPT = [0, 20, 21, 22, 50, 20, 21, 22]
VOCABULARY = 263
SAMPLINGS = [
    Sampling(temperature=0),
    Sampling(temperature=0, repetition_penalty=1.4, frequency_penalty=0.5, logit_bias={9: -3.0}),
    Sampling(seed=11, temperature=0.7),
    Sampling(seed=12, temperature=1.2, top_p=0.8, top_k=40, presence_penalty=0.6),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("model"), seed=3)


@pytest.fixture(scope="module")
def model(directory):
    return LocalModel(directory)


class Script:
    """Drafts as it was told to, right or wrong."""

    def __init__(self, answer=(), rounds=()):
        self._answer, self._rounds = list(answer), iter(rounds)
        self.known = []

    def extend(self, ids):
        self.known += ids

    def propose(self, most):
        right, wrong = next(self._rounds, (0, ()))
        said = len(self.known) - len(PROMPT)
        return Draft((*self._answer[said : said + right], *wrong), "script")


class Eager(Depth):
    """Sends whatever is proposed."""

    def best(self, kind, proposed):
        return min(proposed, self.most)


async def answered(model, sampling, drafter=None, *, most=40, session=None, eos=(), **options):
    session = session or LocalSession(model)
    decoder = Decoder(
        session, model.ends, sampling, drafter, eos=frozenset(eos), depth=Eager(12), **options
    )
    rounds = [each async for each in decoder.tokens(PROMPT, most)]
    return rounds, decoder, session


def flat(rounds):
    return [token for each in rounds for token in each]


def said(rounds):
    return [token.id for token in flat(rounds)]


def answer(model, sampling, drafter=None, **options):
    return asyncio.run(answered(model, sampling, drafter, **options))


@pytest.fixture(scope="module")
def plain(model):
    """The answers token by token."""
    return [said(answer(model, each)[0]) for each in SAMPLINGS]


def test_the_plain_answer_is_that_of_the_whole_sequence_computed_anew(model, plain):
    sequence = list(PROMPT)
    for token in plain[0][:15]:
        states = asyncio.run(LocalSession(model).forward(sequence, 0))
        assert int(model.ends.logits(states)[-1].argmax()) == token
        sequence.append(token)
    assert len(set(plain[0])) > 5


@pytest.mark.parametrize("penalty", [1.0, 1.4])
def test_the_answer_is_that_of_transformers(directory, model, penalty):
    theirs = quiet_transformers().LlamaForCausalLM.from_pretrained(directory)
    ids = torch.tensor([PROMPT])
    expected = theirs.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=30,
        do_sample=False,
        repetition_penalty=penalty,
        eos_token_id=None,
        pad_token_id=1,
    )[0, len(PROMPT) :].tolist()
    sampling = Sampling(temperature=0, repetition_penalty=penalty)
    assert said(answer(model, sampling, NGrams(), most=30)[0]) == expected


guesses = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.integers(0, VOCABULARY - 1), max_size=12).map(tuple)),
    max_size=30,
)


@settings(deadline=None, max_examples=60)
@given(rounds=guesses, number=st.integers(0, len(SAMPLINGS) - 1))
def test_no_draft_changes_the_answer(model, plain, rounds, number):
    script = Script(plain[number], rounds)
    told, decoder, session = answer(model, SAMPLINGS[number], script)
    assert said(told) == plain[number]
    assert script.known == PROMPT + plain[number]
    assert decoder.rounds == len(told) == len(session.sent)
    assert decoder.accepted <= decoder.drafted
    # What stays in the caches is the answer's beginning, and behind it drafts at most.
    sequence = PROMPT + plain[number]
    assert session.held[: len(sequence) - 1] == sequence[:-1]


@pytest.mark.parametrize("number", range(len(SAMPLINGS)))
def test_drafts_that_are_right_save_round_trips(model, plain, number):
    script = Script(plain[number], itertools.repeat((9, ())))
    told, decoder, _ = answer(model, SAMPLINGS[number], script)
    assert said(told) == plain[number]
    # One token by the prompt's own round, then ten a round.
    assert [len(each) for each in told] == [1, 10, 10, 10, 9]
    assert decoder.accepted == decoder.drafted == 35


@pytest.mark.parametrize("number", range(len(SAMPLINGS)))
def test_ngrams_change_nothing(model, plain, number):
    told, decoder, _ = answer(model, SAMPLINGS[number], NGrams())
    assert said(told) == plain[number]
    assert decoder.rounds + decoder.accepted == len(plain[number])


def test_an_end_within_a_draft_ends_the_answer(model, plain):
    greedy = plain[0]
    end = greedy[6]
    first = greedy.index(end)
    script = Script(greedy, itertools.repeat((12, ())))
    told, _, session = answer(model, SAMPLINGS[0], script, eos=[end])
    assert said(told) == greedy[: first + 1]
    assert len(session.sent) == 2


def test_the_answer_is_as_long_as_asked_for_whatever_is_drafted(model, plain):
    for most in (1, 2, 7):
        script = Script(plain[0], itertools.repeat((12, (1, 2))))
        told, _, session = answer(model, SAMPLINGS[0], script, most=most)
        assert said(told) == plain[0][:most]
        assert max(start + count for start, count in session.sent) <= len(PROMPT) + most
    assert answer(model, SAMPLINGS[0], most=0)[0] == []


def test_a_session_that_cannot_roll_back_gets_one_token_a_round(model, plain):
    script = Script(plain[0], itertools.repeat((5, ())))
    session = LocalSession(model, rolls_back=False)
    told, decoder, _ = answer(model, SAMPLINGS[0], script, session=session)
    assert said(told) == plain[0]
    assert decoder.drafted == 0
    assert session.sent == [(0, len(PROMPT)), *((len(PROMPT) + at, 1) for at in range(39))]


@pytest.mark.parametrize("number", range(len(SAMPLINGS)))
@pytest.mark.parametrize("cut", [1, 13, 39])
def test_an_answer_goes_on_from_any_cut_as_if_there_had_been_none(model, plain, number, cut):
    sampling = SAMPLINGS[number]
    if sampling.frequency_penalty or sampling.presence_penalty:
        sampling = Sampling(seed=5, temperature=0.9)
    whole = said(answer(model, sampling)[0])

    async def goes_on():
        decoder = Decoder(LocalSession(model), model.ends, sampling, NGrams())
        return [each async for each in decoder.tokens(PROMPT + whole[:cut], 40 - cut)]

    assert said(asyncio.run(goes_on())) == whole[cut:]


def test_a_session_that_holds_the_prompts_beginning_gets_only_the_rest(model, plain):
    async def twice():
        session = LocalSession(model)
        await session.forward(PROMPT[:5], 0)
        return await answered(model, SAMPLINGS[0], session=session)

    told, _, session = asyncio.run(twice())
    assert said(told) == plain[0]
    assert session.sent[:2] == [(0, 5), (5, len(PROMPT) - 5)]


def test_a_session_that_holds_the_whole_prompt_gets_its_last_token_again(model, plain):
    async def twice():
        session = LocalSession(model)
        await session.forward(PROMPT, 0)
        return await answered(model, SAMPLINGS[0], session=session)

    told, _, session = asyncio.run(twice())
    assert said(told) == plain[0]
    assert session.sent[1] == (len(PROMPT) - 1, 1)


def test_log_probabilities_do_not_depend_on_drafts(model, plain):
    sampling = Sampling(temperature=0, logprobs=4)
    alone, _, _ = answer(model, sampling)
    drafted, _, _ = answer(model, sampling, Script(plain[0], itertools.repeat((7, (3,)))))
    for one, other in zip(flat(alone), flat(drafted), strict=True):
        assert one.id == other.id == one.top[0][0]
        assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
        assert [each for each, _ in one.top] == [each for each, _ in other.top]


def test_a_fault_of_the_session_is_the_answers(model):
    class Broken(LocalSession):
        async def forward(self, ids, start, *, last_only=False):
            if len(self.sent) == 2:
                raise GenerationError("broken")
            return await super().forward(ids, start, last_only=last_only)

    with pytest.raises(GenerationError, match="broken"):
        answer(model, SAMPLINGS[0], session=Broken(model))


def test_an_empty_prompt_is_refused(model):
    async def ask():
        decoder = Decoder(LocalSession(model), model.ends, Sampling())
        return [each async for each in decoder.tokens([], 3)]

    with pytest.raises(GenerationError, match="no token"):
        asyncio.run(ask())


async def test_an_answer_that_is_closed_sends_nothing_more(model):
    session = LocalSession(model)
    decoder = Decoder(session, model.ends, SAMPLINGS[0])
    async with aclosing(decoder.tokens(PROMPT, 40)) as rounds:
        async for _ in rounds:
            if decoder.rounds == 3:
                break
    assert len(session.sent) == 3


async def test_a_cancelled_answer_ends_at_once(model):
    class Stuck(LocalSession):
        async def forward(self, ids, start, *, last_only=False):
            if self.sent:
                await asyncio.Event().wait()
            return await super().forward(ids, start, last_only=last_only)

    async def run():
        async for _ in Decoder(Stuck(model), model.ends, SAMPLINGS[0]).tokens(PROMPT, 40):
            begun.set()

    begun = asyncio.Event()
    task = asyncio.create_task(run())
    async with asyncio.timeout(10):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_drafted_samples_have_the_exact_distribution():
    """The first three tokens of a chain of which all probabilities are known, over many seeds.

    The bound is passed by chance once in about 100,000 times (chi-square, normal approximation, 4.3 deviations).
    """
    size, seeds = 4, 4000
    rows = torch.randn(size, size, generator=torch.Generator().manual_seed(2))
    chances = (rows / 0.8).softmax(-1)

    class Chain:
        """The hidden state of a token is its row of the table."""

        rolls_back, position = True, 0

        async def forward(self, ids, start, *, last_only=False):
            states = rows[torch.tensor(ids)]
            return states[-1:] if last_only else states

    class Ends:
        vocabulary = size

        def logits(self, states):
            return states

    class Wild(Script):
        """Proposes what is likely, and what is not, by turns."""

        def propose(self, most):
            order = rows[self.known[-1]].argsort(descending=len(self.known) % 3 > 0)
            return Draft((int(order[0]), int(order[1]), 2)[:most], "wild")

    async def sampled(seed):
        decoder = Decoder(
            Chain(), Ends(), Sampling(seed=seed, temperature=0.8), Wild(), depth=Eager(8, Cost())
        )
        return tuple(said([each async for each in decoder.tokens([1], 3)]))

    async def all_of_them():
        return [await sampled(seed) for seed in range(seeds)]

    found = asyncio.run(all_of_them())
    statistic, cells = 0.0, 0
    for one, two, three in itertools.product(range(size), repeat=3):
        expected = seeds * float(chances[1, one] * chances[one, two] * chances[two, three])
        statistic += (found.count((one, two, three)) - expected) ** 2 / expected
        cells += 1
    freedom = cells - 1
    assert statistic < freedom + 4.3 * (2 * freedom) ** 0.5 + 10

"""The engine with real decoders over a whole model in this process: what is kept and drafted changes no answer."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from gateway_parts import KEY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local import LocalSession, tiny

from backend_adapter.petals.errors import GenerationError
from backend_adapter.petals.gateway.engine import Engine, Job, Piece
from backend_adapter.petals.gateway.forms import form
from backend_adapter.petals.gateway.joining import decoders, engine_of
from backend_adapter.petals.model.local import LocalModel
from backend_adapter.petals.model.tokenizer import Text
from backend_adapter.petals.settings import GatewaySettings

GREEDY = {"temperature": 0.0}


class Model:
    """A tiny model, engines over it, and the sessions that they open."""

    def __init__(self, directory: Path) -> None:
        self.text, self.whole = Text(directory), LocalModel(directory)
        self.sessions: list[LocalSession] = []

    def engine(self, *, rolls_back: bool = True, **changed: Any) -> Engine:
        wanted = GatewaySettings(api_key=KEY, context_tokens=512, **changed)

        def opened(room: int) -> LocalSession:
            self.sessions.append(LocalSession(self.whole, room, rolls_back=rolls_back))
            return self.sessions[-1]

        decoder = decoders(wanted, self.text, self.whole.ends)
        return engine_of(wanted, self.text, decoder, opened)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tiny(tmp_path_factory.mktemp("engine")))


def pieces(engine: Engine, job: Job) -> list[Piece]:
    async def read() -> list[Piece]:
        return [piece async for piece in engine.answer(job)]

    return asyncio.run(read())


def said(engine: Engine, job: Job) -> list[int]:
    return [token.id for piece in pieces(engine, job) for token in piece.tokens]


def job(prompt: list[int], max_tokens: int = 24, **more: Any) -> Job:
    sampling = {**GREEDY, **more.pop("sampling", {})}
    return Job(prompt=tuple(prompt), max_tokens=max_tokens, sampling=sampling, **more)


@given(seed=st.integers(0, 10_000), rolls_back=st.booleans(), temperature=st.sampled_from([0, 0.7]))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_turns_of_several_chats_are_answered_as_if_nothing_were_kept(
    model: Model, seed: int, rolls_back: bool, temperature: float
) -> None:
    chance = random.Random(seed)
    sampling = {"temperature": temperature, "seed": 3}
    keeping = model.engine(rolls_back=rolls_back, kept_sessions=2)
    forgetting = model.engine(kept_sessions=0, draft_tokens=0)
    # Two chats that begin alike; now and then a turn is asked for again, or cut short.
    chats = [[5, 6, 7, 8], [5, 6, 7, 9]]
    for _ in range(6):
        chat = chance.choice(chats)
        repeated = job(chat, chance.choice([1, 9, 24]), ignore_eos=True, sampling=sampling)
        answer = said(keeping, repeated)
        assert answer == said(forgetting, repeated)
        if chance.random() < 0.7:
            kept = answer[: chance.choice([len(answer), 3])]
            chat += kept + [chance.randrange(2, 60) for _ in range(chance.randrange(1, 12))]


@given(cut=st.integers(1, 47), draft_tokens=st.sampled_from([0, 4, 16]))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_answer_goes_on_from_any_token(model: Model, cut: int, draft_tokens: int) -> None:
    prompt = model.text.prompt([{"role": "user", "content": "abcabc"}])
    whole = said(model.engine(), job(prompt, 48, ignore_eos=True))
    other = model.engine(draft_tokens=draft_tokens)
    rest = said(other, job([*prompt, *whole[:cut]], 48 - cut, ignore_eos=True))
    assert whole[:cut] + rest == whole


def test_a_follow_up_sends_the_new_tokens_only(model: Model) -> None:
    engine, model.sessions = model.engine(), []
    prompt = model.text.prompt([{"role": "user", "content": "abc " * 20}])
    answer = said(engine, job(prompt))
    (session,) = model.sessions
    before = sum(tokens for _, tokens in session.sent)
    follow = job([*prompt, *answer, *model.text.encode(" t")], 1)
    told = pieces(engine, follow)
    assert len(model.sessions) == 1
    assert told[0].cached >= len(prompt) + len(answer) - 1 - 16
    assert sum(tokens for _, tokens in session.sent) - before == len(follow.prompt) - told[0].cached
    assert engine.figures.cached_tokens == told[0].cached


def test_drafts_save_round_trips_and_are_counted(model: Model) -> None:
    engine = model.engine()
    prompt = model.text.encode("ab" * 40)
    answer = said(engine, job(prompt, 100, ignore_eos=True))
    figures = engine.figures
    assert figures.tokens == len(answer) == 100
    assert figures.rounds + figures.accepted == 100
    assert figures.accepted <= figures.drafted


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_a_form_is_kept_to_and_ends_by_itself(model: Model, temperature: float) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"]}
    schema["additionalProperties"] = False
    asked = job(
        model.text.encode("t"),
        100,
        grammar=form("json", schema),
        sampling={"temperature": temperature, "seed": 1},
        ignore_eos=True,
    )
    told = pieces(model.engine(), asked)
    assert told[-1].finish == "stop"
    assert json.loads("".join(piece.text for piece in told)) in ({"a": "x"}, {"a": "y"})


def test_a_grammar_that_is_none_is_refused_and_frees_the_session(model: Model) -> None:
    engine = model.engine()
    with pytest.raises(GenerationError):
        pieces(engine, job(model.text.encode("t"), grammar="start: ("))
    assert (engine.conversations.taken, engine.conversations.kept) == (0, 0)


def test_a_generation_that_is_left_frees_its_session(model: Model) -> None:
    engine, model.sessions = model.engine(), []

    async def leave() -> None:
        answer = engine.answer(job(model.text.encode("t"), 400, ignore_eos=True))
        await anext(answer)
        await answer.aclose()

    asyncio.run(leave())
    assert [session.held for session in model.sessions] == [[]]
    assert (engine.running, engine.conversations.taken) == (0, 0)

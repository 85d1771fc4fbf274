"""The gateway's decoders with a draft model: every answer is what it would be without, and its memory is freed."""

import asyncio
import gc
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from gateway_parts import KEY
from local import LocalSession, tiny

from backend_adapter.petals.decode import Depth
from backend_adapter.petals.decode.depth import Cost
from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.gateway import joining
from backend_adapter.petals.gateway.engine import Engine, Job, Piece
from backend_adapter.petals.gateway.forms import form
from backend_adapter.petals.model.local import LocalCache, LocalModel
from backend_adapter.petals.model.tokenizer import Text
from backend_adapter.petals.settings import GatewaySettings

PROMPT = (0, 30, 31, 32)


class Eager(Depth):
    """Sends whatever is proposed, however fast this machine is; `seen` is what came of each round."""

    seen: ClassVar[list[tuple[str, int, int]]] = []

    def best(self, kind: str, proposed: int) -> int:
        return min(proposed, self.most)

    def learn(self, kind: str, drafted: int, accepted: int, *measured: float) -> None:
        self.seen.append((kind, drafted, accepted))


class Seen(Depth):
    """As it is, and tells what came of each round, and what is known of costs."""

    costs: ClassVar[list[Cost]] = []

    def learn(self, kind: str, drafted: int, accepted: int, *measured: float) -> None:
        Eager.seen.append((kind, drafted, accepted))
        self.costs.append(self.cost)
        super().learn(kind, drafted, accepted, *measured)


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "Depth", Eager)
    monkeypatch.setattr(Eager, "seen", [])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("large"), seed=1)


@pytest.fixture(scope="module")
def large(directory: Path) -> LocalModel:
    return LocalModel(directory)


@pytest.fixture(scope="module")
def shallow(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """The same model cut to its first layer: right now and then."""
    cut = tmp_path_factory.mktemp("shallow")
    for file in directory.iterdir():
        (cut / file.name).write_bytes(file.read_bytes())
    config = json.loads((cut / "config.json").read_text())
    (cut / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    return LocalModel(cut)


def engine(directory: Path, large: LocalModel, small: LocalModel | None, **changed: Any) -> Engine:
    wanted = GatewaySettings(api_key=KEY, context_tokens=512, kept_sessions=0, **changed)
    text = Text(directory)
    decoder = joining.decoders(wanted, text, large.ends, small)
    return joining.engine_of(wanted, text, decoder, lambda room: LocalSession(large, room))


def said(made: Engine, job: Job) -> list[int]:
    async def read() -> list[Piece]:
        return [piece async for piece in made.answer(job)]

    return [token.id for piece in asyncio.run(read()) for token in piece.tokens]


def held(model: LocalModel) -> int:
    """How many caches over this model anybody holds."""
    return sum(type(each) is LocalCache and each._model is model for each in gc.get_objects())


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 0.0},
        {"temperature": 0.0, "repetition_penalty": 1.4, "frequency_penalty": 0.5},
        {"temperature": 0.8, "seed": 5},
        {"temperature": 1.1, "seed": 6, "top_p": 0.9, "presence_penalty": 0.7},
    ],
)
def test_a_draft_model_that_is_often_wrong_changes_no_answer(
    directory: Path, large: LocalModel, shallow: LocalModel, sampling: dict[str, Any]
) -> None:
    job = Job(PROMPT, 120, sampling, ignore_eos=True)
    alone = said(engine(directory, large, None, draft_tokens=0), job)
    assert Eager.seen
    assert all(not drafted for _, drafted, _ in Eager.seen)
    Eager.seen.clear()
    assert said(engine(directory, large, shallow), job) == alone
    by_model = [(drafted, accepted) for kind, drafted, accepted in Eager.seen if kind == "model"]
    drafted, accepted = (sum(each) for each in zip(*by_model, strict=True))
    assert 0 < accepted < drafted


def test_samples_are_drafted_by_the_chance_of_the_answer_itself(
    directory: Path, large: LocalModel
) -> None:
    # No seed is named, and yet the same model drafts what is said.
    job = Job(PROMPT, 100, {"temperature": 1.0}, ignore_eos=True)
    said(engine(directory, large, large), job)
    by_model = [(drafted, accepted) for kind, drafted, accepted in Eager.seen if kind == "model"]
    drafted, accepted = (sum(each) for each in zip(*by_model, strict=True))
    assert drafted > 20
    assert accepted >= 0.9 * drafted


def test_a_form_is_kept_to_with_a_draft_model(
    directory: Path, large: LocalModel, shallow: LocalModel
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 30}}}
    schema |= {"required": ["a"], "additionalProperties": False}
    job = Job(PROMPT, 100, {"temperature": 1.0, "seed": 2}, grammar=form("json", schema))
    alone = said(engine(directory, large, None, draft_tokens=0), job)
    assert said(engine(directory, large, shallow), job) == alone
    assert any(kind == "model" and drafted for kind, drafted, _ in Eager.seen)
    assert json.loads(Text(directory).decode(alone))["a"]


def test_many_answers_at_once_share_the_model_and_free_what_they_took(
    directory: Path, large: LocalModel, shallow: LocalModel
) -> None:
    made = engine(directory, large, shallow)
    jobs = [
        Job((*PROMPT, number), 60, {"temperature": 0.7, "seed": number}, ignore_eos=True)
        for number in range(6)
    ]
    alone = [said(engine(directory, large, None, draft_tokens=0), job) for job in jobs]
    most = 0

    async def one(job: Job) -> list[int]:
        nonlocal most
        ids: list[int] = []
        async for piece in made.answer(job):
            ids += [token.id for token in piece.tokens]
            if job is jobs[0] and not most and len(ids) > 30:
                most = held(shallow)
        return ids

    async def at_once() -> list[list[int]]:
        return await asyncio.gather(*(one(job) for job in jobs))

    assert asyncio.run(at_once()) == alone
    assert 1 < most <= len(jobs)
    assert held(shallow) == 0


def test_an_answer_that_is_left_frees_what_it_took(
    directory: Path, large: LocalModel, shallow: LocalModel
) -> None:
    made = engine(directory, large, shallow)

    async def leave() -> int:
        answer = made.answer(Job(PROMPT, 400, {"temperature": 0.0}, ignore_eos=True))
        async for _ in answer:
            if taken := held(shallow):
                break
        await answer.aclose()
        return taken

    assert asyncio.run(leave()) == 1
    assert held(shallow) == 0


def test_a_model_that_is_left_alone_is_measured_again_after_many_rounds(
    directory: Path, large: LocalModel, shallow: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Too slow for any round at first, as on a busy machine, then quick.
    told = [1e-7, 1e4]
    monkeypatch.setattr(joining, "drafting_seconds", lambda model: told.pop())
    monkeypatch.setattr(joining, "Depth", Seen)
    made = engine(directory, large, shallow)
    job = Job(PROMPT, 250, {"temperature": 1.5, "seed": 9}, ignore_eos=True)
    # The prompt's own round tells nothing of the others.
    while made.figures.rounds - made.figures.answers < 256:
        assert told == [1e-7]
        said(made, job)
    assert all(kind != "model" for kind, _, _ in Eager.seen)
    assert Seen.costs[-1].drafting_s == {"model": 1e4}
    said(made, job)
    assert told == []
    assert Seen.costs[-1].drafting_s["model"] < 100


def test_without_drafts_no_draft_is_made(
    directory: Path, large: LocalModel, shallow: LocalModel
) -> None:
    made = engine(directory, large, shallow, draft_tokens=0)
    said(made, Job(PROMPT, 20, {"temperature": 0.0}, ignore_eos=True))
    assert made.figures.drafted == 0


async def test_a_gateway_with_a_draft_model_of_other_tokens_does_not_start(
    directory: Path, tmp_path: Path
) -> None:
    tiny(tmp_path)
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("<|im_end|>", "<|end|>"))
    settings = GatewaySettings(model=directory, draft_model=tmp_path, open=True, api_key=KEY)
    lines: list[str] = []
    with pytest.raises(SwarmSettingsError, match="another tokenizer"):
        await joining.load(settings, lines.append)
    assert lines[-1] == "loading the draft model"

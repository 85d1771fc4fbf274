"""What a node is made of: the order of steps, the choice of a round, batches, and who is a member."""

import asyncio
import base64
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from session_nodes import LAYERS, Local, embed, make_model

from backend_adapter.petals import wire
from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.membership import Membership, new_key, read_key
from backend_adapter.petals.node.computing import Computing, Step, choose
from backend_adapter.petals.node.layers import Cache, Layer, Layers, Rotary, Segment
from backend_adapter.petals.node.session import Session
from backend_adapter.petals.settings import NodeSettings
from backend_adapter.petals.shape import read_shape


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("node") / "model")


@pytest.fixture(scope="module")
def layers(model: Path) -> Layers:
    shape = read_shape(model)
    loaded = [Layer(model, each, shape, torch.float32, "cpu") for each in range(LAYERS)]
    return Layers(shape, 0, loaded, Rotary(shape, torch.float32, "cpu"))


def cache(layers: Layers, tokens: int = 512) -> Cache:
    return Cache(layers.shape, LAYERS, tokens, torch.float32, "cpu")


def waiting(*counts: int) -> list[Step]:
    return [Step(torch.empty(count, 1), None, 0, 0, 1, None) for count in counts]  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_a_round_always_gets_on_and_takes_no_more_than_there_is(counts: list[int]) -> None:
    chosen = choose(waiting(*counts))
    assert chosen
    assert all(0 < count <= step.left for step, count in chosen)
    assert sum(count for _, count in chosen) <= 128


def test_single_tokens_do_not_wait_for_a_long_prefill() -> None:
    steps = waiting(2000, 1, 1)
    taken = {id(step): count for step, count in choose(steps)}
    assert [taken[id(step)] for step in steps] == [126, 1, 1]


async def test_a_shorter_prefill_does_not_wait_for_all_of_a_longer_one(layers: Layers) -> None:
    ended = list[str]()

    async def prefill(name: str, count: int) -> None:
        await computing.compute(embed([1] * count), cache(layers, 2048), 0, 0, LAYERS)
        ended.append(name)

    computing = Computing(layers)
    try:
        await asyncio.gather(prefill("long", 1500), prefill("short", 150))
    finally:
        computing.close()
    assert ended == ["short", "long"]


def test_sessions_of_different_lengths_in_one_batch_compute_what_each_does_alone(
    layers: Layers, model: Path
) -> None:
    texts = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7], [9] * 40]
    caches = [cache(layers) for _ in texts]
    for ids, own in zip(texts, caches, strict=True):
        count = len(ids) - 1
        layers.run(embed(ids[:count]), [Segment(own, 0, count)], 0, LAYERS)
    batch = torch.cat([embed(ids)[-1:] for ids in texts])
    segments = [Segment(own, len(ids) - 1, 1) for ids, own in zip(texts, caches, strict=True)]
    together = layers.run(batch, segments, 0, LAYERS)
    for ids, output in zip(texts, together, strict=True):
        torch.testing.assert_close(output, Local(model).outputs(ids)[-1], rtol=1e-4, atol=1e-4)


def test_what_was_rolled_back_leaves_no_trace(layers: Layers, model: Path) -> None:
    own = cache(layers)
    layers.run(embed([1, 2, 3, 50, 51, 52]), [Segment(own, 0, 6)], 0, LAYERS)
    after = layers.run(embed([4, 5]), [Segment(own, 3, 2)], 0, LAYERS)
    whole = Local(model).outputs([1, 2, 3, 4, 5])
    torch.testing.assert_close(after, whole[3:], rtol=1e-4, atol=1e-4)


async def test_a_prefill_in_pieces_computes_what_it_does_at_once(
    layers: Layers, model: Path
) -> None:
    computing, ids = Computing(layers), [each % 97 for each in range(300)]
    after = await computing.compute(embed(ids), cache(layers), 0, 0, LAYERS)
    computing.close()
    torch.testing.assert_close(after, Local(model).outputs(ids), rtol=1e-4, atol=1e-4)


async def test_an_abandoned_prefill_is_not_computed_to_its_end(
    layers: Layers, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, loop, begun, run = 0, asyncio.get_running_loop(), asyncio.Event(), layers.run

    def counted(states: torch.Tensor, segments: list[Segment], first: int, last: int):  # type: ignore[no-untyped-def]
        nonlocal rounds
        rounds += 1
        loop.call_soon_threadsafe(begun.set)
        return run(states, segments, first, last)

    monkeypatch.setattr(layers, "run", counted)
    computing, tokens = Computing(layers), 128 * 400
    states = torch.zeros(tokens, layers.shape.width)
    prefill = asyncio.create_task(
        computing.compute(states, cache(layers, tokens + 1), 0, 0, LAYERS)
    )
    async with asyncio.timeout(20):
        await begun.wait()
        prefill.cancel()
        await asyncio.wait({prefill})
        # Whoever comes afterwards is answered, and by then the prefill has not gone on.
        await computing.compute(states[:1], cache(layers), 0, 0, LAYERS)
    computing.close()
    assert prefill.cancelled()
    assert rounds < 400


async def test_a_step_that_cannot_be_computed_fails_alone(layers: Layers) -> None:
    computing = Computing(layers)
    with pytest.raises(RuntimeError):
        await computing.compute(torch.zeros(1, 3), cache(layers), 0, 0, LAYERS)
    width = layers.shape.width
    after = await computing.compute(torch.zeros(1, width), cache(layers), 0, 0, LAYERS)
    computing.close()
    assert after.shape == (1, width)


def session(length: int = 10) -> Session:
    return Session(0, 1, length, [])


async def test_steps_are_taken_in_the_order_of_their_numbers() -> None:
    own = session()
    for number in (2, 0, 1):
        own.arrived(wire.Request(), {"step_number": number})
    assert [(await own.next(1)).metadata["step_number"] for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]


async def test_a_step_that_comes_twice_counts_once() -> None:
    own = session()
    own.arrived(wire.Request(), {"step_id": "a"})
    own.arrived(wire.Request(), {"step_id": "a"})
    own.ended()
    assert await own.next(1) is not None
    assert await own.next(1) is None


def test_nobody_fills_a_node_with_steps_that_wait() -> None:
    own = session()
    with pytest.raises(ValueError, match="too many"):
        for _ in range(1000):
            own.arrived(wire.Request(), {})
    early = session()
    with pytest.raises(ValueError, match="too many"):
        for number in range(1, 1000):
            early.arrived(wire.Request(), {"step_number": number})


@pytest.mark.parametrize("start", [-1, 5, "0", 1.5])
def test_a_position_outside_of_what_is_cached_is_refused(start: object) -> None:
    own = session()
    own.begin({}, 4)
    with pytest.raises(ValueError, match="position"):
        own.begin({"start_from_position": start}, 1)


def test_a_session_goes_back_and_never_beyond_its_length() -> None:
    own = session(10)
    assert own.begin({}, 8) == 0
    assert own.begin({"start_from_position": 3}, 2) == 3
    assert own.position == 5
    with pytest.raises(ValueError, match="asked for"):
        own.begin({}, 6)


def test_a_proof_is_worth_nothing_to_another_peer_or_swarm() -> None:
    ours, others = Membership(b"k" * 32), Membership(b"o" * 32)
    proof = ours.proof("peer-a")
    assert ours.admits("peer-a", proof)
    assert not ours.admits("peer-b", proof)
    assert not ours.admits("peer-a", others.proof("peer-a"))
    for none in ("", None, b"", 1):
        assert not ours.admits("peer-a", none)
    assert not Membership(allowed=["peer-a"]).admits("peer-b", "")
    assert Membership(allowed=["peer-a"]).admits("peer-a", None)


def test_a_swarm_that_nobody_belongs_to_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SwarmSettingsError, match="key_file"):
        Membership.of(NodeSettings())
    file = tmp_path / "key"
    file.write_text(new_key())
    assert len(read_key(file)) == 32
    file.write_text(base64.urlsafe_b64encode(b"short").decode().rstrip("="))
    with pytest.raises(SwarmSettingsError):
        read_key(file)

"""How conversations begin, wait, go on and end."""

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from hivemind.p2p import PeerID
from hivemind.proto import runtime_pb2
from session_nodes import Local, Node, Nodes, embed, equal, make_model, prompt

from backend_adapter.petals import wire
from backend_adapter.petals.errors import (
    CacheFullError,
    MissingLayersError,
    SwarmError,
    SwarmUnreachableError,
)
from backend_adapter.petals.swarm.swarm import Swarm


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("life") / "model")


@pytest.fixture(scope="module")
def local(model: Path) -> Local:
    return Local(model)


@pytest.fixture(scope="module")
def nodes(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes with two layers each."""
    with Nodes(model, tmp_path_factory.mktemp("nodes")) as started:
        started.start("0:2")
        started.ready(*(started.begin(each) for each in ("2:4", "4:6")))
        yield started


@pytest.fixture
async def swarm(nodes: Nodes) -> AsyncIterator[Swarm]:
    async with Swarm(nodes.settings()) as joined:
        await joined.ready(20)
        yield joined


async def room(swarm: Swarm, node: Node) -> int:
    """Tokens of one layer that the node has room for, as it says itself."""
    info = await swarm._directory.p2p.call_protobuf_handler(
        PeerID.from_base58(node.peer), wire.INFO, runtime_pb2.ExpertUID(), runtime_pb2.ExpertInfo
    )
    return int(wire.loads(info.serialized_info)["cache_tokens_available"])


async def all_free(swarm: Swarm, nodes: Nodes, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if all([await room(swarm, each) == 2 * 8192 for each in nodes.all]):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_chain_and_a_relay_give_what_one_machine_gives(swarm: Swarm, local: Local) -> None:
    ids = prompt(400)
    wanted = local.outputs(ids)
    figures = []
    for through_client in (False, True):
        session = swarm.session(embed, 512)
        session._through_client = through_client
        equal(await session.forward(ids[:300], 0), wanted[:300])
        before = session.round_trips, session.bytes_received
        for place in range(300, 310):
            equal(await session.forward(ids[place : place + 1], place), wanted[place : place + 1])
        figures.append((session.round_trips - before[0], session.bytes_received - before[1]))
        assert session.position == 310
        assert session.rolls_back
        equal(await session.forward(ids[100:400], 100, last_only=True), wanted[-1:])
        assert session.reroutes == 0
        await session.close()
    (chain_trips, chain_bytes), (relay_trips, relay_bytes) = figures
    assert (chain_trips, relay_trips) == (10, 30)
    assert chain_bytes * 2 < relay_bytes


async def test_conversations_do_not_mix(swarm: Swarm, local: Local) -> None:
    async def talk(seed: int) -> None:
        ids = prompt(60, seed)
        wanted = local.outputs(ids)
        session = swarm.session(embed, 64)
        equal(await session.forward(ids[:50], 0), wanted[:50])
        for place in range(50, 60):
            equal(await session.forward(ids[place : place + 1], place), wanted[place : place + 1])
        await session.close()

    await asyncio.gather(*(talk(seed) for seed in range(8)))


async def test_a_closed_conversation_frees_the_caches(swarm: Swarm, nodes: Nodes) -> None:
    assert await all_free(swarm, nodes, 5)
    session = swarm.session(embed, 100)
    await session.forward(prompt(10), 0)
    assert await room(swarm, nodes.all[0]) == 2 * (8192 - 100)
    await session.close()
    assert await all_free(swarm, nodes, 1)
    with pytest.raises(ValueError, match="closed"):
        await session.forward([1], 10)


async def test_a_forgotten_conversation_frees_the_caches(swarm: Swarm, nodes: Nodes) -> None:
    session = swarm.session(embed, 100)
    await session.forward(prompt(10), 0)
    assert not await all_free(swarm, nodes, 0.2)
    del session
    gc.collect()
    assert await all_free(swarm, nodes, 1)


async def test_a_step_given_up_half_way_leaves_a_sound_conversation(
    swarm: Swarm, nodes: Nodes, local: Local
) -> None:
    ids, other = prompt(300), prompt(300, seed=2)
    for through_client in (False, True):
        session = swarm.session(embed, 512)
        session._through_client = through_client
        equal(await session.forward(ids[:20], 0), local.outputs(ids[:20]))
        nodes.all[1].obey("slow")
        try:
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.08):
                        await session.forward(ids[20:300], 20)
        finally:
            nodes.all[1].obey()
        assert session.position == 20
        said = ids[:20] + other[20:40]
        equal(await session.forward(said[20:], 20), local.outputs(said)[20:])
        assert session.reroutes == 0
        await session.close()


async def test_too_long_a_conversation_is_refused_as_such(swarm: Swarm, nodes: Nodes) -> None:
    session = swarm.session(embed, 9000)
    with pytest.raises(CacheFullError, match="9000 tokens"):
        await session.forward(prompt(5), 0)
    assert not swarm.banned()
    short = swarm.session(embed, 4)
    with pytest.raises(ValueError, match="do not fit"):
        await short.forward(prompt(5), 0)
    await short.close()
    await session.close()


async def test_layers_that_nobody_serves_are_named_until_a_node_joins(
    model: Path, local: Local, tmp_path: Path
) -> None:
    ids = prompt(40)
    wanted = local.outputs(ids)
    with Nodes(model, tmp_path) as nodes:
        nodes.start("0:2")
        lost = nodes.start("2:5")
        nodes.start("5:6")
        async with Swarm(nodes.settings(recover_s=1)) as swarm:
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids[:20], 0), wanted[:20])
            lost.group(signal.SIGKILL)
            with pytest.raises(MissingLayersError, match="2 to 4") as caught:
                await session.forward(ids[20:21], 20)
            assert caught.value.layers == ((2, 5),)
            begun = nodes.begin("1:5")
            await asyncio.to_thread(nodes.ready, begun)
            await swarm.ready(20)
            # The same conversation, whose other nodes kept their caches.
            equal(await session.forward(ids[20:30], 20), wanted[20:30])
            assert [span.peer for span in session.path] == [
                nodes.all[0].peer,
                begun.peer,
                nodes.all[2].peer,
            ]
            # A node that comes while an answer waits for it.
            begun.end()
            settings = nodes.settings(recover_s=60)
            waiting = asyncio.create_task(session.forward(ids[30:40], 30))
            object.__setattr__(session, "_settings", settings)
            another = nodes.begin("2:5")
            await asyncio.to_thread(nodes.ready, another)
            equal(await waiting, wanted[30:40])
            await session.close()


async def test_the_first_initial_peer_may_be_gone(
    model: Path, local: Local, tmp_path: Path
) -> None:
    ids = prompt(30)
    wanted = local.outputs(ids)
    with Nodes(model, tmp_path) as nodes:
        first = nodes.start("0:1")
        nodes.start("0:6")
        settings = nodes.settings()
        async with Swarm(settings) as swarm:
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids[:20], 0), wanted[:20])
            first.group(signal.SIGKILL)
            equal(await session.forward(ids[20:21], 20), wanted[20:21])
            late = nodes.begin("3:6", initial_peers=[nodes.all[1].address])
            await asyncio.to_thread(nodes.ready, late)
            async with asyncio.timeout(15):
                while late.peer not in {each.peer for each in swarm.state().spans}:
                    await asyncio.sleep(0.2)
            equal(await session.forward(ids[21:22], 21), wanted[21:22])
            await session.close()
        async with Swarm(settings) as swarm:
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids[:20], 0), wanted[:20])
            await session.close()


async def test_strangers_are_not_used(nodes: Nodes, tmp_path: Path) -> None:
    other = tmp_path / "other-key"
    other.write_text("A" * 43 + "=")
    async with Swarm(nodes.settings(key_file=other)) as swarm:
        assert not swarm.state().spans
        with pytest.raises(MissingLayersError):
            await swarm.ready(1)
    listed = tuple(each.peer for each in nodes.all)
    # They do not know this client either.
    async with Swarm(nodes.settings(key_file=None, allowed_peers=listed, recover_s=0)) as swarm:
        assert len(swarm.state().spans) == 3
        session = swarm.session(embed, 64)
        with pytest.raises(SwarmError):
            await session.forward(prompt(3), 0)


async def test_nothing_stays_of_a_client_that_has_left(nodes: Nodes) -> None:
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    async with Swarm(nodes.settings()) as swarm:
        await swarm.ready(20)
        assert {each.pid for each in psutil.Process().children(recursive=True)} - before
    left = [each for each in psutil.Process().children(recursive=True) if each.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=3)
    assert [each for each in alive if "torch_shm" not in each.name()] == []


async def test_a_swarm_that_nobody_answers_for_is_said_to_be_unreachable(nodes: Nodes) -> None:
    nowhere = "/ip4/127.0.0.1/tcp/9/p2p/" + nodes.all[0].peer
    with pytest.raises(SwarmUnreachableError, match=r"127\.0\.0\.1/tcp/9"):
        async with Swarm(nodes.settings(initial_peers=(nowhere,))):
            pass

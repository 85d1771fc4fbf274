"""A node as a process: who is served, what is left when a client or the node itself goes."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from gateway_parts import until
from gateway_processes import Process, together
from hivemind.p2p import P2P, PeerID
from hivemind.p2p.p2p_daemon_bindings.utils import P2PHandlerError
from hivemind.proto import runtime_pb2
from session_nodes import LAYERS, WIDTH, Local, embed, make_model

from backend_adapter.petals import wire
from backend_adapter.petals.membership import Membership

KEY = b"k" * 32
NAME = "tiny"
ROOM = 16384
IDS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("node") / "model")


@pytest.fixture(scope="module")
def settings(model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("key") / "key"
    file.write_text(base64.urlsafe_b64encode(KEY).decode().rstrip("="))
    return {
        "model": str(model),
        "model_id": NAME,
        "key_file": str(file),
        "port": 0,
        "layers": f"0:{LAYERS}",
        "cache_tokens": ROOM,
        "threads": 1,
    }


@pytest.fixture(scope="module")
def node(settings: dict[str, Any]) -> Iterator[Process]:
    (running,) = together([lambda: Process("node", settings)])
    yield running
    running.stop()


@contextlib.asynccontextmanager
async def client(node: Process) -> AsyncIterator[P2P]:
    p2p = await P2P.create(initial_peers=node.addresses, dht_mode="client", use_relay=False)
    try:
        yield p2p
    finally:
        await p2p.shutdown()


def peer(node: Process) -> PeerID:
    return PeerID.from_base58(node.addresses[0].rpartition("/")[2])


def step(hidden: torch.Tensor, **metadata: Any) -> wire.Request:
    return wire.Request(
        uid=wire.uids(NAME, 0, LAYERS),
        tensors=[wire.pack(hidden[None]), *wire.no_prompts()],
        metadata=wire.dumps(metadata),
    )


async def converse(p2p: P2P, node: Process, steps: Sequence[wire.Request]) -> list[torch.Tensor]:
    """The answers to some steps of one session, each sent when the one before is answered."""
    answered: asyncio.Queue[None] = asyncio.Queue()

    async def sent() -> AsyncIterator[wire.Request]:
        for each in steps:
            yield each
            await answered.get()

    outputs = []
    async with asyncio.timeout(30):
        stream = await p2p.iterate_protobuf_handler(
            peer(node), wire.INFERENCE, sent(), wire.Response
        )
        async for response in stream:
            outputs.append(wire.unpack(response.tensors[0])[0])
            answered.put_nowait(None)
            if len(outputs) == len(steps):
                break
    return outputs


async def room_left(p2p: P2P, node: Process) -> int:
    info = await p2p.call_protobuf_handler(
        peer(node), wire.INFO, runtime_pb2.ExpertUID(uid=f"{NAME}.0"), runtime_pb2.ExpertInfo
    )
    return int(wire.loads(info.serialized_info)["cache_tokens_available"])


async def room_becomes(p2p: P2P, node: Process, wanted: int) -> None:
    async with asyncio.timeout(20):
        while await room_left(p2p, node) != wanted:
            await asyncio.sleep(0.05)


async def test_a_member_is_served_and_a_rollback_leaves_no_trace(
    node: Process, model: Path
) -> None:
    hidden, local = embed(IDS), Local(model).outputs(IDS)
    async with client(node) as p2p:
        proof = Membership(KEY).proof(p2p.peer_id.to_base58())
        outputs = await converse(
            p2p,
            node,
            [
                step(hidden[:6], max_length=64, proof=proof),
                step(torch.randn(5, WIDTH)),
                step(hidden[6:], start_from_position=6),
            ],
        )
    torch.testing.assert_close(outputs[0], local[:6], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(outputs[2], local[6:], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("proof", [None, "", "a-copied-one"])
async def test_a_stranger_is_refused_with_a_reason(node: Process, proof: str | None) -> None:
    async with client(node) as p2p:
        if proof:
            proof = Membership(KEY).proof("12D3KooWSomebodyElse")
        with pytest.raises(P2PHandlerError, match="do not belong to this swarm"):
            await converse(p2p, node, [step(embed(IDS), max_length=64, proof=proof)])
        with pytest.raises(P2PHandlerError, match="do not belong to this swarm"):
            await p2p.call_protobuf_handler(
                peer(node), wire.FORWARD, step(embed(IDS), proof=proof), wire.Response
            )


async def test_more_than_there_is_room_for_is_refused(node: Process) -> None:
    async with client(node) as p2p:
        proof = Membership(KEY).proof(p2p.peer_id.to_base58())
        with pytest.raises(P2PHandlerError, match="room"):
            await converse(p2p, node, [step(embed(IDS), max_length=ROOM + 1, proof=proof)])
        assert await room_left(p2p, node) == ROOM * LAYERS


async def test_a_client_that_goes_in_the_middle_of_a_prefill_leaves_no_cache(node: Process) -> None:
    async with client(node) as watcher:
        async with client(node) as leaving:
            proof = Membership(KEY).proof(leaving.peer_id.to_base58())
            long = step(torch.randn(8000, WIDTH), max_length=8192, proof=proof)
            prefill = asyncio.create_task(converse(leaving, node, [long]))
            await room_becomes(watcher, node, (ROOM - 8192) * LAYERS)
            assert not prefill.done()
        prefill.cancel()
        await asyncio.wait({prefill})
        await room_becomes(watcher, node, ROOM * LAYERS)


def test_a_node_that_is_told_to_stop_ends_and_leaves_nothing(settings: dict[str, Any]) -> None:
    (running,) = together([lambda: Process("node", settings)])
    pid = running.pid
    assert running.stop() == 0
    # torch ends its own helper a moment after the processes that it served.
    until(lambda: running.left() == [], 5)
    assert not list(Path("/tmp").glob(f"hoheit-p2p-{pid}-*"))  # noqa: S108 - where hivemind has them


def test_a_node_without_key_does_not_start_and_says_what_to_do(settings: dict[str, Any]) -> None:
    running = Process("node", {**settings, "key_file": None}, until="error:").started()
    assert running.ended() == 1
    assert running.said("error: Neither a swarm key")

"""What goes from node to node: complete, in order, and whoever sent it is told when it may not have arrived."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hivemind.p2p import P2P
from hivemind.p2p.p2p_daemon_bindings.datastructures import StreamInfo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend_adapter.petals import wire
from backend_adapter.petals.errors import NodeLostError
from backend_adapter.petals.node import lanes
from backend_adapter.petals.node.lanes import Lanes, messages

HELLO = b"hello"


class Peer:
    """Takes lanes and keeps what comes over them."""

    def __init__(self, p2p: P2P) -> None:
        self.p2p, self.came = p2p, list[bytes]()
        self.more = asyncio.Event()

    async def take(
        self, stream: StreamInfo, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async for message in messages(reader):
                self.came.append(message)
                self.more.set()
        finally:
            writer.close()

    async def has(self, count: int) -> list[bytes]:
        async with asyncio.timeout(20):
            while len(self.came) < count:
                self.more.clear()
                await self.more.wait()
        return self.came

    @property
    def name(self) -> str:
        return str(self.p2p.peer_id.to_base58())


@contextlib.asynccontextmanager
async def two() -> AsyncIterator[tuple[P2P, Peer]]:
    far = await P2P.create(use_relay=False, host_maddrs=["/ip4/127.0.0.1/tcp/0"])
    near = await P2P.create(
        initial_peers=await far.get_visible_maddrs(),
        use_relay=False,
        host_maddrs=["/ip4/127.0.0.1/tcp/0"],
    )
    try:
        peer = Peer(far)
        await far.add_binary_stream_handler(wire.LANE, peer.take)
        yield near, peer
    finally:
        await near.shutdown()
        await far.shutdown()


def nobody() -> None:
    raise AssertionError("everything arrived, and nobody is to be told")


async def test_steps_of_all_sessions_arrive_complete_and_in_order() -> None:
    async with two() as (p2p, peer):
        to_all = Lanes(p2p, HELLO)
        sent = [bytes([number]) * (number * 1000 + 1) for number in range(200)]
        for number, message in enumerate(sent):
            to_all.send(peer.name, message, nobody)
            if number % 7 == 0:
                await asyncio.sleep(0)
        assert await peer.has(len(sent) + 1) == [HELLO, *sent]
        to_all.forget(nobody)
        await to_all.close()


async def test_who_sent_lately_is_told_when_the_peer_goes() -> None:
    async with two() as (p2p, peer):
        to_all = Lanes(p2p, HELLO)
        told, ended = asyncio.Event(), list[str]()
        to_all.send(peer.name, b"of one that has ended", lambda: ended.append("told"))
        gone = lambda: ended.append("told")  # noqa: E731 - the same object twice
        to_all.send(peer.name, b"of one that was forgotten", gone)
        to_all.forget(gone)
        to_all.send(peer.name, b"of one that waits", told.set)
        await peer.has(4)
        await peer.p2p.shutdown()
        async with asyncio.timeout(20):
            await told.wait()
        assert ended == ["told"]


async def test_a_peer_that_cannot_be_reached_is_told_of_and_tried_again_by_the_next_step() -> None:
    async with two() as (p2p, peer):
        to_all = Lanes(p2p, HELLO)
        told = asyncio.Event()
        stranger = "12D3KooWRBhwfeP2Y4TCx1SM6s9rUoHhR5STiGwxBhgFRcw3UERE"
        to_all.send(stranger, b"to nobody", told.set)
        async with asyncio.timeout(20):
            await told.wait()
        to_all.send(stranger, b"again", told.set)
        # What goes to others is not touched by it.
        to_all.send(peer.name, b"to somebody", nobody)
        assert await peer.has(2) == [HELLO, b"to somebody"]
        to_all.forget(nobody)
        await to_all.close()


async def test_what_waits_for_a_peer_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_MOST_WAITING", 1000)
    async with two() as (p2p, peer):
        to_all = Lanes(p2p, HELLO)
        to_all.send(peer.name, bytes(2000), nobody)
        with pytest.raises(NodeLostError, match="takes nothing any more"):
            to_all.send(peer.name, bytes(10), nobody)
        to_all.forget(nobody)
        await to_all.close()


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 17))
@settings(suppress_health_check=[HealthCheck.differing_executors])
def test_messages_are_read_however_the_network_splits_them(sent: list[bytes], size: int) -> None:
    async def read() -> list[bytes]:
        reader = asyncio.StreamReader()
        whole = b"".join(len(each).to_bytes(4, "big") + each for each in sent)
        found = list[bytes]()

        async def feed() -> None:
            for begin in range(0, len(whole), size):
                reader.feed_data(whole[begin : begin + size])
                await asyncio.sleep(0)
            reader.feed_eof()

        feeding = asyncio.create_task(feed())
        found = [message async for message in messages(reader)]
        await feeding
        return found

    assert asyncio.run(read()) == sent


async def test_a_message_that_is_too_long_is_refused_before_it_has_come() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data((2**31).to_bytes(4, "big"))
    with pytest.raises(ValueError, match="a message of 2147483648 bytes"):
        await anext(messages(reader))

"""From a node to those that have the next layers: one stream to each, for the steps of all sessions.

Petals makes a call for each step (rpc_push), which opens a stream of libp2p's and waits for an answer. Here nobody
waits, and what is sent at the same time goes as one piece and arrives as one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from hivemind.p2p import P2P, PeerID

from backend_adapter.petals import wire
from backend_adapter.petals.errors import NodeLostError

log = logging.getLogger(__name__)

_OPEN_S = 10.0
_SEND_S = 30.0
# Bytes that may wait for a peer; one that takes no more is as good as gone.
_MOST_WAITING = 64 * 2**20
# A step that was sent so long ago has arrived, or whoever asked for it has given it up.
_UNSURE_S = 60.0
_HEADER = 4
_PIECE = 2**20
# Of one step; more is nobody's hidden states.
_MOST_BYTES = 256 * 2**20

# Told where what was sent may not have arrived.
Lost = Callable[[], None]


class Lane:
    """A stream to one peer, opened when the first step is sent; `hello` is what it begins with."""

    def __init__(self, p2p: P2P, peer: str, hello: bytes) -> None:
        self._p2p, self._peer = p2p, peer
        self._waiting = [_framed(hello)]
        self._size = 0
        self._filled = asyncio.Event()
        self._filled.set()
        # Who sent when, to be told when the stream ends.
        self._sent: dict[Lost, float] = {}
        self._clock = asyncio.get_running_loop().time
        self._running = asyncio.create_task(self._run())

    @property
    def ended(self) -> bool:
        """Whether it is of no more use."""
        return self._running.done()

    def send(self, step: bytes, lost: Lost) -> None:
        """Send a step with what is sent in the same round of the loop. Raises NodeLostError."""
        if self.ended or self._size > _MOST_WAITING:
            raise NodeLostError("The next node takes nothing any more.", "Look at its log.")
        self._sent[lost] = self._clock()
        self._waiting.append(_framed(step))
        self._size += len(step)
        self._filled.set()

    def forget(self, lost: Lost) -> None:
        """Whoever sent it has ended."""
        self._sent.pop(lost, None)

    async def close(self) -> None:
        """End the stream."""
        self._running.cancel()
        await asyncio.wait({self._running})

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_S):
                _, reader, writer = await self._p2p.call_binary_stream_handler(
                    PeerID.from_base58(self._peer), wire.LANE
                )
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(_until_closed(reader))
                    await self._write(writer)
            finally:
                writer.close()
        except Exception as error:  # noqa: BLE001 - however it ended, those who used it are told
            log.info("The stream to the node %s ended: %r", self._peer, error)
        finally:
            lately = self._clock() - _UNSURE_S
            for lost, when in list(self._sent.items()):
                if when > lately:
                    lost()

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            piece, self._waiting, self._size = b"".join(self._waiting), [], 0
            writer.write(piece)
            async with asyncio.timeout(_SEND_S):
                await writer.drain()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    await reader.read(1)
    raise ConnectionResetError("the peer closed it")


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(_HEADER, "big") + message


class Lanes:
    """The lanes of one node to all others; each begins with `hello`."""

    def __init__(self, p2p: P2P, hello: bytes) -> None:
        self._p2p, self._hello = p2p, hello
        self._lanes: dict[str, Lane] = {}

    def send(self, peer: str, step: bytes, lost: Lost) -> None:
        """Send a step to `peer`; `lost` is called where it may not arrive. Raises NodeLostError."""
        lane = self._lanes.get(peer)
        if lane is None or lane.ended:
            lane = self._lanes[peer] = Lane(self._p2p, peer, self._hello)
        lane.send(step, lost)

    def forget(self, lost: Lost) -> None:
        """Whoever sent with it has ended."""
        for lane in self._lanes.values():
            lane.forget(lost)

    async def close(self) -> None:
        """End all streams."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """What comes over a lane, until it ends. Raises ValueError for a message that is too long.

    Messages that came together are yielded without waiting in between.
    """
    held = bytearray()
    while piece := await reader.read(_PIECE):
        held += piece
        begin = 0
        while len(held) >= (body := begin + _HEADER):
            end = body + int.from_bytes(held[begin:body], "big")
            if end - body > _MOST_BYTES:
                raise ValueError(f"a message of {end - body} bytes")
            if len(held) < end:
                break
            yield bytes(held[body:end])
            begin = end
        del held[:begin]

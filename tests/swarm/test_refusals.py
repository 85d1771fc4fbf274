"""What a node's log says of calls that it refuses."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
from hivemind.p2p import P2P, P2PContext
from hivemind.p2p.p2p_daemon_bindings.utils import P2PHandlerError

from backend_adapter.petals import table, wire
from backend_adapter.petals.errors import CacheFullError


class Lines(logging.Handler):
    """What is written, as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[Lines]:
    made, logger = Lines(), logging.getLogger("hivemind.p2p.p2p_daemon")
    logger.addHandler(made)
    yield made
    logger.removeHandler(made)


async def refused(error: Exception) -> None:
    """Call a peer that answers with this error."""

    async def refuse(
        requests: AsyncIterator[wire.Request], context: P2PContext
    ) -> AsyncIterator[wire.Response]:
        async for _ in requests:
            raise error
        yield wire.Response()

    async def sent() -> AsyncIterator[wire.Request]:
        yield wire.Request()

    table._mend()
    far = await P2P.create(use_relay=False)
    near = await P2P.create(
        initial_peers=[str(each) for each in await far.get_visible_maddrs()],
        dht_mode="client",
        use_relay=False,
    )
    try:
        await far.add_protobuf_handler(
            wire.INFERENCE, refuse, wire.Request, stream_input=True, stream_output=True
        )
        stream = await near.iterate_protobuf_handler(
            far.peer_id, wire.INFERENCE, sent(), wire.Response
        )
        with pytest.raises(P2PHandlerError, match=str(error)):
            async for _ in stream:
                pass
    finally:
        await near.shutdown()
        await far.shutdown()


async def test_a_refusal_is_one_line(lines: Lines) -> None:
    await refused(CacheFullError("there is no room"))
    assert lines.said == ["A call was refused: there is no room"]


async def test_a_fault_that_nobody_meant_keeps_its_traceback(lines: Lines) -> None:
    await refused(KeyError("unforeseen"))
    (said,) = lines.said
    assert "Traceback" in said
    assert "raise error" in said

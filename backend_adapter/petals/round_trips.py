"""How long it takes to ask a peer and hear from it."""

import asyncio
import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

# Weight of the newest measurement in the moving average.
_NEWEST = 0.3
_PING_S = 3.0


class RoundTrips:
    """Moving averages of round trips to peers, in seconds; infinite for one that did not answer."""

    def __init__(self, dht: Any) -> None:
        self._dht = dht
        self.seconds: dict[str, float] = {}

    async def measure(self, peers: Sequence[str]) -> None:
        """Ask these peers, all at once; what is known of others is forgotten."""
        measured = await asyncio.to_thread(self._ask, list(peers)) if peers else {}
        seconds = {}
        for peer, newest in measured.items():
            known = self.seconds.get(peer, math.inf)
            blended = newest if math.isinf(known) else known + _NEWEST * (newest - known)
            if not math.isinf(blended):
                seconds[peer] = blended
        self.seconds = seconds

    def _ask(self, peers: list[str]) -> dict[str, float]:
        asked = self._dht.run_coroutine(partial(_ping_all, peers=peers), return_future=True)
        found: dict[str, float] = asked.result(timeout=2 * _PING_S)
        return found


async def _ping_all(dht: Any, node: Any, peers: list[str]) -> dict[str, float]:
    """Runs in the process of hivemind's hash table, which has the connections."""
    return dict(
        zip(peers, await asyncio.gather(*(_ping(node, peer) for peer in peers)), strict=True)
    )


async def _ping(node: Any, peer: str) -> float:
    from hivemind.p2p import PeerID
    from hivemind.proto import dht_pb2

    begun = time.perf_counter()
    try:
        await node.protocol.get_stub(PeerID.from_base58(peer)).rpc_ping(
            dht_pb2.PingRequest(peer=node.protocol.node_info), timeout=_PING_S
        )
    except Exception as error:  # noqa: BLE001 - any fault means that it cannot be reached
        # A peer that only asks (hivemind's client mode) answers so, at once.
        return time.perf_counter() - begun if "not supported" in str(error) else math.inf
    return time.perf_counter() - begun

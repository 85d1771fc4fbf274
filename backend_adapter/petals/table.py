"""Joins the swarm's distributed hash table, through which its peers find each other, and leaves it."""

import asyncio
import functools
import logging
from collections.abc import Sequence
from typing import Any

from backend_adapter.petals import compat
from backend_adapter.petals.errors import SwarmUnreachableError

log = logging.getLogger(__name__)

_JOIN_S = 30.0
_RETURN_S = 10.0
_LEAVE_S = 3.0

# Once in a process: what is mended twice is wrapped twice.
_mend = functools.cache(compat.mend_hivemind)


def join(peers: Sequence[str], remedy: str, **options: Any) -> Any:
    """hivemind's hash table, joined by the addresses `peers`; without any, a new one. Blocks.

    Raises SwarmUnreachableError with this `remedy`.
    """
    _mend()
    from hivemind.dht import DHT

    try:
        return DHT(
            initial_peers=list(peers),
            # Who is reached, and by whom, is what the operator says, and nothing else.
            use_relay=False,
            use_auto_relay=False,
            auto_nat=False,
            nat_port_map=False,
            start=True,
            startup_timeout=_JOIN_S,
            **options,
        )
    except Exception as error:
        raise SwarmUnreachableError(
            f"The swarm cannot be joined by {', '.join(peers) or 'no address at all'}: {error}.",
            remedy,
        ) from error


def find_again(table: Any, peers: Sequence[str]) -> None:
    """Return to those of the addresses `peers` that the table has lost sight of.

    hivemind forgets a peer that did not answer, and never looks for it again: whoever knew only that one would stay
    alone when it is back. Does not wait for them.
    """
    if peers:
        table.run_coroutine(functools.partial(_find_again, peers=tuple(peers)), return_future=True)


async def _find_again(table: Any, node: Any, peers: Sequence[str]) -> None:
    """Runs in the process of hivemind's hash table, which has the connections."""
    from hivemind.p2p import PeerID
    from hivemind.utils.multiaddr import Multiaddr

    for address in map(Multiaddr, peers):
        name = address["p2p"]
        peer = PeerID.from_base58(name)
        if peer in node.protocol.routing_table or peer == node.peer_id:
            continue
        try:
            async with asyncio.timeout(_RETURN_S):
                # The daemon forgets addresses as well.
                await node.p2p._client.connect(peer, [address.decapsulate(f"/p2p/{name}")])
                await node.protocol.call_ping(peer, validate=True, strict=False)
        except Exception as error:  # noqa: BLE001 - it is still away, and is tried again
            log.debug("%s is still away: %r", address, error)


def leave(table: Any) -> None:
    """End it; no process stays. Blocks."""
    table.shutdown()
    table.join(_LEAVE_S)
    if table.is_alive():
        table.kill()
        table.join(_LEAVE_S)

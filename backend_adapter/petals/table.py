"""Joins the swarm's distributed hash table, through which its peers find each other, and leaves it."""

import asyncio
import functools
import logging
import time
from collections.abc import Sequence
from typing import Any

from backend_adapter.petals import compat
from backend_adapter.petals.errors import SwarmUnreachableError

log = logging.getLogger(__name__)

_JOIN_S = 30.0
# The process of the table gives up by itself before that, unless it hangs.
_READY_S = 45.0
_LOOK_S = 0.5
_RETURN_S = 10.0
_LEAVE_S = 3.0

# Once in a process: what is mended twice is wrapped twice.
_mend = functools.cache(compat.mend_hivemind)


def join(peers: Sequence[str], remedy: str, **options: Any) -> Any:
    """hivemind's hash table, joined by the addresses `peers`; without any, a new one. Blocks.

    A table whose process dies or hangs before it has joined is started once more. Raises SwarmUnreachableError with
    this `remedy`.
    """
    _mend()
    try:
        try:
            return _started(peers, options)
        except TimeoutError as error:
            log.warning("The hash table's process did not start and is tried again: %s", error)
            return _started(peers, options)
    except Exception as error:
        raise SwarmUnreachableError(
            f"The swarm cannot be joined by {', '.join(peers) or 'no address at all'}: {error}.",
            remedy,
        ) from error


def _started(peers: Sequence[str], options: dict[str, Any]) -> Any:
    """A table that has joined. Raises TimeoutError where its process ended or hangs without having said why.

    hivemind itself would wait for such a process for ever. It can hang because it is forked while other threads
    run, which may have held a lock just then.
    """
    from hivemind.dht import DHT

    table = DHT(
        initial_peers=list(peers),
        # Who is reached, and by whom, is what the operator says, and nothing else.
        use_relay=False,
        use_auto_relay=False,
        auto_nat=False,
        nat_port_map=False,
        start=True,
        await_ready=False,
        startup_timeout=_JOIN_S,
        **options,
    )
    deadline = time.monotonic() + _READY_S
    while True:
        alive = table.is_alive()
        try:
            table.wait_until_ready(_LOOK_S)
        except TimeoutError:
            if alive and time.monotonic() < deadline:
                continue
            _kill(table)
            raise TimeoutError(
                f"no word from it for {_READY_S:.0f} s" if alive else "it ended"
            ) from None
        except BaseException:
            # It has told why, and ends by itself.
            table.join(_LEAVE_S)
            raise
        return table


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
    # hivemind has ended it by force where it took long.
    if table.is_alive() or table.exitcode:
        _kill(table)


def _kill(table: Any) -> None:
    table.kill()
    table.join(_LEAVE_S)
    compat.open_locks()

"""Joins the swarm's distributed hash table, through which its peers find each other, and leaves it."""

import functools
from collections.abc import Sequence
from typing import Any

from backend_adapter.petals import compat
from backend_adapter.petals.errors import SwarmUnreachableError

_JOIN_S = 30.0
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


def leave(table: Any) -> None:
    """End it; no process stays. Blocks."""
    table.shutdown()
    table.join(_LEAVE_S)
    if table.is_alive():
        table.kill()
        table.join(_LEAVE_S)

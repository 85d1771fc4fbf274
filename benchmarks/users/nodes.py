"""The nodes that users are measured on: three of ours, or three servers of the released Petals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from benchmarks.users.stock_node import server_arguments
from benchmarks.wan.programs import MODEL_ID, Place, Program, our_node

Kind = Literal["ours", "stock"]
# Of all conversations together; both kinds' default for this model.
_CACHE_TOKENS = 16384
# Each is a process; a stock node's default of 8 is for more processors.
_HANDLERS = 2


def node(kind: Kind, model: Path) -> Program:
    """A node with one thread."""
    return our_node(model, cache_tokens=_CACHE_TOKENS) if kind == "ours" else _stock_node(model)


def _stock_node(model: Path) -> Program:
    def program(place: Place, peers: Sequence[str]) -> tuple[Sequence[str], dict[str, Any]]:
        arguments = server_arguments(
            model,
            MODEL_ID,
            place.layers,
            place.port,
            peers,
            announce_maddrs=place.address,
            attn_cache_tokens=_CACHE_TOKENS,
            num_handlers=_HANDLERS,
        )
        return ["-m", "benchmarks.users.stock_node"], {"arguments": arguments}

    return program

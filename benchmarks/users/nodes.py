"""Three nodes that serve the model between them, as processes of the swarm's environment."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from backend_adapter.petals.spans import named
from benchmarks.wan.links import STAGES, Link
from benchmarks.wan.programs import MODEL_ID, _addresses, _drain, _free_port, started
from benchmarks.wan.proxy import Proxy

Kind = Literal["ours", "stock"]
_START_S = 120.0
# The second comes first: with links, both of its neighbours then cross its link (`benchmarks.wan.programs.swarm`).
_ORDER = (2, 1, 3)
_PROGRAMS = {
    "ours": ("backend_adapter/petals/__main__.py", "node"),
    "stock": ("-m", "benchmarks.users.stock_node"),
}
# Of all conversations together; both kinds' default for this model.
_CACHE_TOKENS = 16384


@dataclass
class Nodes:
    """Running nodes: the addresses to join by, and their processes."""

    peers: list[str] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)


@asynccontextmanager
async def nodes(
    kind: Kind, python: Path, model: Path, links: Sequence[Link] | None = None
) -> AsyncIterator[Nodes]:
    """One node for each third of the layers, with one thread; behind a proxy each where `links` are given."""
    running = Nodes()
    layers = json.loads((model / "config.json").read_text())["num_hidden_layers"]
    async with AsyncExitStack() as stack:
        for number in _ORDER:
            port = reached = _free_port()
            if links is not None:
                proxy = await stack.enter_async_context(Proxy(port, links[number - 1]))
                reached = proxy.port
            start, end = named(f"{number}/{STAGES}", layers)
            settings = _SETTINGS[kind](model, port, reached, f"{start}:{end}", running.peers[:1])
            node = await stack.enter_async_context(started(python, _PROGRAMS[kind], settings))
            assert node.stdin is not None  # noqa: S101 - it is a pipe
            node.stdin.close()
            running.peers += await asyncio.wait_for(_addresses(node, reached), _START_S)
            running.processes.append(node.pid)
            # What it says later is of no use, and must not fill the pipe.
            reading = asyncio.create_task(_drain(node))
            stack.callback(reading.cancel)
        yield running


def _our_settings(
    model: Path, port: int, reached: int, layers: str, peers: list[str]
) -> dict[str, Any]:
    return {
        "model": str(model),
        "model_id": MODEL_ID,
        "open": True,
        "port": port,
        "announce": [f"/ip4/127.0.0.1/tcp/{reached}"],
        "layers": layers,
        "initial_peers": peers,
        "cache_tokens": _CACHE_TOKENS,
        "threads": 1,
    }


def _stock_settings(
    model: Path, port: int, reached: int, layers: str, peers: list[str]
) -> dict[str, Any]:
    """Its command line."""
    given = {
        "converted_model_name_or_path": str(model),
        "dht_prefix": MODEL_ID,
        "host_maddrs": f"/ip4/127.0.0.1/tcp/{port}",
        "announce_maddrs": f"/ip4/127.0.0.1/tcp/{reached}",
        "block_indices": layers,
        "device": "cpu",
        "torch_dtype": "float32",
        "quant_type": "none",
        # It would measure for minutes, and tell a made-up speed of the network; it only ranks nodes.
        "throughput": "10",
        "attn_cache_tokens": str(_CACHE_TOKENS),
        # Each is a process; its default of 8 is for more processors.
        "num_handlers": "2",
    }
    joining = ["--initial_peers", *peers] if peers else ["--new_swarm"]
    options = [each for name, value in given.items() for each in (f"--{name}", value)]
    return {"arguments": [*options, "--no_auto_relay", "--skip_reachability_check", *joining]}


_SETTINGS = {"ours": _our_settings, "stock": _stock_settings}

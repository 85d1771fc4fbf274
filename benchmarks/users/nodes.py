"""Three nodes that serve the model between them, as processes of the swarm's environment."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.wan.links import STAGES
from benchmarks.wan.programs import MODEL_ID, _addresses, _drain, _free_port, started

_START_S = 120.0


@dataclass
class Nodes:
    """Running nodes: the addresses to join by, and their processes, in the order of their layers."""

    peers: list[str] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)


@asynccontextmanager
async def nodes(python: Path, model: Path) -> AsyncIterator[Nodes]:
    """One node for each third of the layers, with one thread."""
    running = Nodes()
    async with AsyncExitStack() as stack:
        for number in range(1, STAGES + 1):
            port = _free_port()
            program: Sequence[str] = ["backend_adapter/petals/__main__.py", "node"]
            settings = {
                "model": str(model),
                "model_id": MODEL_ID,
                "open": True,
                "port": port,
                "layers": f"{number}/{STAGES}",
                "initial_peers": running.peers[:1],
                "threads": 1,
            }
            node = await stack.enter_async_context(started(python, program, settings))
            assert node.stdin is not None  # noqa: S101 - it is a pipe
            node.stdin.close()
            running.peers += await asyncio.wait_for(_addresses(node, port), _START_S)
            running.processes.append(node.pid)
            # What it says later is of no use, and must not fill the pipe.
            reading = asyncio.create_task(_drain(node))
            stack.callback(reading.cancel)
        yield running

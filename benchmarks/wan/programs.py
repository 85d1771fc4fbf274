"""Programs in the swarm's environment, and the swarm behind its proxies made of them."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend_adapter.petals.spans import named
from benchmarks.wan.links import STAGES, Link
from benchmarks.wan.proxy import Proxy

MODEL_ID = "wan"
_ROOT = Path(__file__).resolve().parents[2]
_START_S = 120.0
_ORDER = ((2,), (1, 3))
_STOP_S = 10.0
_LINE = 1 << 20


@asynccontextmanager
async def started(
    python: Path, arguments: Sequence[str], given: dict[str, Any]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python program that is given a line of JSON on standard input, and end it and its children at last."""
    process = await asyncio.create_subprocess_exec(
        str(python),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "HIVEMIND_LOGLEVEL": "ERROR",
        },
        start_new_session=True,
        limit=_LINE,
    )
    try:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.write(json.dumps(given).encode() + b"\n")
        await process.stdin.drain()
        yield process
    finally:
        # Where it has ended already, terminate() would take its exit status from asyncio, which complains.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@dataclass(frozen=True)
class Place:
    """The port that a node listens on, the one that it is reached by, and its layers [start, end), as start:end."""

    port: int
    reached: int
    layers: str

    @property
    def address(self) -> str:
        """What it announces."""
        return f"/ip4/127.0.0.1/tcp/{self.reached}"


# The arguments of a node's program and the JSON that it is given, for its place and the addresses to join by.
Program = Callable[[Place, Sequence[str]], tuple[Sequence[str], dict[str, Any]]]


@dataclass
class Nodes:
    """Running nodes: the addresses to join by, their processes, and the proxies before them."""

    peers: list[str] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)
    proxies: list[Proxy] = field(default_factory=list)


def our_node(model: Path, **more: Any) -> Program:
    """A node of this project with the model in a directory."""

    def program(place: Place, peers: Sequence[str]) -> tuple[Sequence[str], dict[str, Any]]:
        return ["backend_adapter/petals/__main__.py", "node"], {
            "model": str(model),
            "model_id": MODEL_ID,
            "open": True,
            "port": place.port,
            "announce": [place.address],
            "layers": place.layers,
            "initial_peers": list(peers),
            "threads": 1,
            **more,
        }

    return program


@asynccontextmanager
async def swarm(
    python: Path, model: Path, program: Program, links: Sequence[Link] | None = None
) -> AsyncIterator[Nodes]:
    """A node for each third of the layers, each reached through its link only where there are any.

    A connection crosses the link of the side that was dialled. The nodes that come later dial those before them, so
    the middle one comes first: both of its neighbours reach it through its link.
    """
    running = Nodes()
    layers = json.loads((model / "config.json").read_text())["num_hidden_layers"]
    async with AsyncExitStack() as stack:
        for numbers in _ORDER:
            begun = []
            for number in numbers:
                port = reached = _free_port()
                if links is not None:
                    proxy = await stack.enter_async_context(Proxy(port, links[number - 1]))
                    running.proxies.append(proxy)
                    reached = proxy.port
                start, end = named(f"{number}/{STAGES}", layers)
                arguments, given = program(
                    Place(port, reached, f"{start}:{end}"), running.peers[:1]
                )
                node = await stack.enter_async_context(started(python, arguments, given))
                assert node.stdin is not None  # noqa: S101 - it is a pipe
                node.stdin.close()
                begun.append((node, reached))
            for node, reached in begun:
                running.peers += await asyncio.wait_for(_addresses(node, reached), _START_S)
                running.processes.append(node.pid)
                # What it says later is of no use, and must not fill the pipe.
                reading = asyncio.create_task(_drain(node))
                stack.callback(reading.cancel)
        yield running


async def _addresses(node: asyncio.subprocess.Process, port: int) -> list[str]:
    assert node.stdout is not None  # noqa: S101 - it is a pipe
    found: list[str] = []
    async for line in node.stdout:
        said = line.decode().strip()
        if said.startswith("address "):
            found.append(said.removeprefix("address "))
        if said == "ready":
            if not found or not all(f"/tcp/{port}/" in each for each in found):
                raise SystemExit(f"A node announces {found} and not the port {port}.")
            return found
    raise SystemExit("A node ended before it was ready; see above why.")


async def _drain(node: asyncio.subprocess.Process) -> None:
    assert node.stdout is not None  # noqa: S101 - it is a pipe
    async for _ in node.stdout:
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""Programs in the swarm's environment, and the swarm behind its proxies made of them."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy

MODEL_ID = "wan"
_ROOT = Path(__file__).resolve().parents[2]
_START_S = 120.0
_MIDDLE = 2
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


@asynccontextmanager
async def swarm(
    python: Path, model: Path, links: Sequence[Link]
) -> AsyncIterator[tuple[list[str], list[Proxy]]]:
    """One node for each link, reached through it only: the addresses to join by, and the proxies.

    A connection crosses the link of the side that was dialled. The nodes that come later dial those before them, so
    the middle one comes first: both of its neighbours reach it through its link.
    """
    peers: list[str] = []
    proxies: list[Proxy] = []
    others = [each for each in range(1, len(links) + 1) if each != _MIDDLE]
    async with AsyncExitStack() as stack:
        for numbers in ([_MIDDLE], others):
            nodes = []
            for number in numbers:
                port = _free_port()
                proxy = await stack.enter_async_context(Proxy(port, links[number - 1]))
                proxies.append(proxy)
                settings = {
                    "model": str(model),
                    "model_id": MODEL_ID,
                    "open": True,
                    "port": port,
                    "announce": [f"/ip4/127.0.0.1/tcp/{proxy.port}"],
                    "layers": f"{number}/{len(links)}",
                    "initial_peers": peers[:1],
                    "threads": 1,
                }
                part = ["backend_adapter/petals/__main__.py", "node"]
                node = await stack.enter_async_context(started(python, part, settings))
                assert node.stdin is not None  # noqa: S101 - it is a pipe
                node.stdin.close()
                nodes.append((node, proxy.port))
            for node, announced in nodes:
                peers += await asyncio.wait_for(_addresses(node, announced), _START_S)
                # What it says later is of no use, and must not fill the pipe.
                reading = asyncio.create_task(_drain(node))
                stack.callback(reading.cancel)
        yield peers, proxies


async def _addresses(node: asyncio.subprocess.Process, port: int) -> list[str]:
    assert node.stdout is not None  # noqa: S101 - it is a pipe
    found: list[str] = []
    async for line in node.stdout:
        said = line.decode().strip()
        if said.startswith("address "):
            found.append(said.removeprefix("address "))
        if said == "ready":
            if not found or not all(f"/tcp/{port}/" in each for each in found):
                raise SystemExit(f"A node announces {found} and not its proxy's port {port}.")
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

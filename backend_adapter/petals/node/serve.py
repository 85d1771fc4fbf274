"""Runs one node until it is told to stop."""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from backend_adapter.petals import compat, table
from backend_adapter.petals.errors import SwarmError, SwarmSettingsError
from backend_adapter.petals.hub import fetch_description, fetch_layers
from backend_adapter.petals.membership import Membership
from backend_adapter.petals.node.health import tell_health
from backend_adapter.petals.node.layers import Cache, Layer, Layers, Rotary, Segment
from backend_adapter.petals.settings import NodeSettings
from backend_adapter.petals.shape import Shape, read_shape
from backend_adapter.petals.spans import Span, coverage, named, neediest
from backend_adapter.petals.weights import check_directory
from backend_adapter.serving import freeze_loaded

_READ_S = 30.0
_MEASURED_STEPS = 8


def say(line: str) -> None:
    """A line of progress, for people and for whoever started this."""
    print(line, flush=True)  # noqa: T201 - a command's own output


def main(arguments: list[str]) -> int:
    """Serve as the settings on standard input say (JSON). Ends with 1 where that cannot be."""
    compat.end_with_parent()
    try:
        settings = NodeSettings.model_validate_json(sys.stdin.read())
        if settings.hub and settings.model:
            fetch_description(settings.hub, settings.model, say)
        asyncio.run(_serve(settings))
    except (SwarmError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's own output
        return 1
    except KeyboardInterrupt:
        pass
    return 0


async def _serve(settings: NodeSettings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    membership = Membership.of(settings)
    if settings.model is None:
        raise SwarmSettingsError("No model is named.", "Set model to the directory of one.")
    directory = settings.model if settings.hub else check_directory(settings.model)
    shape = read_shape(directory)
    torch.set_num_threads(settings.threads or max(1, len(os.sched_getaffinity(0)) - 1))
    dht = await asyncio.to_thread(_joined, settings)
    healthy = asyncio.Event()
    try:
        if settings.health_port:
            await tell_health(settings.host, settings.health_port, healthy)
        running = asyncio.create_task(_node(settings, directory, shape, membership, dht, healthy))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if running.done():
            running.result()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    finally:
        await asyncio.to_thread(table.leave, dht)
        if sys.exc_info()[0] in (None, asyncio.CancelledError):
            # A thread that waits for a peer which does not answer would hold up the end.
            sys.stdout.flush()
            os._exit(0)


def _joined(settings: NodeSettings) -> Any:
    """Join the swarm, or found one where no peers are named. Raises SwarmUnreachableError. Blocks."""
    say("joining the swarm" if settings.initial_peers else "founding a swarm")
    if settings.identity_file is not None:
        settings.identity_file.parent.mkdir(parents=True, exist_ok=True)
    kind = "ip6" if ":" in settings.host else "ip4"
    return table.join(
        settings.initial_peers,
        "Check the addresses, and that port and host of this node are free.",
        host_maddrs=[f"/{kind}/{settings.host}/tcp/{settings.port}"],
        announce_maddrs=list(settings.announce) or None,
        identity_path=str(settings.identity_file) if settings.identity_file else None,
        # Whoever is killed leaves its identity taken for a while; a restart must not wait for that.
        check_if_identity_free=False,
    )


async def _node(
    settings: NodeSettings,
    directory: Path,
    shape: Shape,
    membership: Membership,
    dht: Any,
    healthy: asyncio.Event,
) -> None:
    from backend_adapter.petals import wire
    from backend_adapter.petals.node.announcing import Announcing
    from backend_adapter.petals.node.service import Service
    from backend_adapter.petals.records import read_spans

    prefix = settings.model_id
    if settings.layers is not None:
        try:
            start, end = named(settings.layers, shape.layers)
        except ValueError as error:
            raise SwarmSettingsError(
                f"The layers cannot be served: {error}.",
                f"Set layers to a range within 0:{shape.layers}, or leave it out.",
            ) from error
    else:
        spans = await asyncio.to_thread(read_spans, dht, prefix, shape.layers, _READ_S)
        counts = coverage([replace(each, state="online") for each in spans], shape.layers)
        start, end = neediest(counts, settings.num_layers or shape.layers)
    peer = dht.peer_id.to_base58()
    span = Span(
        peer=peer,
        start=start,
        end=end,
        state="joining",
        name=settings.name,
        version=wire.VERSION,
        features=frozenset((wire.ROLLBACK, wire.CHAIN, wire.BATCH)),
        proof=membership.proof(peer),
    )
    announcing = Announcing(dht, span, shape.layers, settings)
    async with announcing:
        if settings.hub:
            await asyncio.to_thread(fetch_layers, settings.hub, directory, start, end, say)
        dtype: torch.dtype = getattr(torch, settings.dtype)
        layers = await asyncio.to_thread(load, directory, shape, start, end, dtype, settings.device)
        speed = await asyncio.to_thread(measure, layers, dtype, settings.device)
        p2p = await dht.replicate_p2p()
        service = Service(
            layers,
            prefix,
            membership,
            room=settings.cache_tokens,
            dtype=dtype,
            device=settings.device,
        )
        try:
            await service.serve(p2p)
            announcing.online(speed, lambda: service.cache_tokens_left)
            await announcing.told()
            addresses = [str(each) for each in dht.get_visible_maddrs()]
            for address in addresses:
                say(f"address {address}")
            if settings.address_file is not None:
                await asyncio.to_thread(_leave_address, settings.address_file, addresses)
            freeze_loaded()
            say("ready")
            healthy.set()
            await asyncio.Event().wait()
        finally:
            await service.close()
            await p2p.shutdown()


def _leave_address(file: Path, addresses: list[str]) -> None:
    """Write the addresses for whoever waits for them, all at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(f".{file.name}-{os.getpid()}")
    written.write_text("".join(f"{each}\n" for each in addresses))
    written.replace(file)


def load(
    directory: Path, shape: Shape, start: int, end: int, dtype: torch.dtype, device: str
) -> Layers:
    """The layers [start, end), with a line of progress every two seconds. Raises WeightsError."""
    loaded, told = [], 0.0
    for index in range(start, end):
        if time.monotonic() - told > 2:
            told = time.monotonic()
            say(f"loading layer {index} ({index - start} of {end - start})")
        loaded.append(Layer(directory, index, shape, dtype, device))
    return Layers(shape, start, loaded, Rotary(shape, dtype, device))


def measure(layers: Layers, dtype: torch.dtype, device: str) -> float:
    """How many layers are computed in a second, a token each."""
    count = layers.end - layers.start
    cache = Cache(layers.shape, count, _MEASURED_STEPS + 1, dtype, device)
    states = torch.zeros(1, layers.shape.width, dtype=dtype, device=device)
    layers.run(states, [Segment(cache, 0, 1)], layers.start, layers.end)
    begun = time.perf_counter()
    for position in range(1, _MEASURED_STEPS + 1):
        layers.run(states, [Segment(cache, position, 1)], layers.start, layers.end)
    return count * _MEASURED_STEPS / (time.perf_counter() - begun)

"""Tells the swarm of this node, again and again, as long as it is there."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from backend_adapter.petals import table
from backend_adapter.petals.records import announce, read_spans
from backend_adapter.petals.round_trips import RoundTrips
from backend_adapter.petals.settings import NodeSettings
from backend_adapter.petals.spans import Span

log = logging.getLogger(__name__)

# An announcement is good for so many periods.
_LASTS = 3
_SHORTEST_S = 15.0
_LEAVE_S = 3.0


class Announcing:
    """An async context manager: announces `span` every `refresh_s`, and at its end that the node is offline."""

    def __init__(
        self,
        dht: Any,
        span: Span,
        layers: int,
        settings: NodeSettings,
    ) -> None:
        self._dht, self._span, self._layers = dht, span, layers
        self._prefix, self._peers = settings.model_id, settings.initial_peers
        self._fields = {
            "adapters": (),
            "torch_dtype": settings.dtype,
            "quant_type": "none",
            "using_relay": False,
        }
        self._period_s = settings.refresh_s
        self._left: Callable[[], int] = lambda: 0
        self._changed = asyncio.Event()
        self._told = asyncio.Event()
        self._round_trips = RoundTrips(dht)

    async def __aenter__(self) -> "Announcing":
        await self._announce(max(_SHORTEST_S, _LASTS * self._period_s))
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        self._span = replace(self._span, state="offline")
        try:
            await self._announce(_LEAVE_S)
        except Exception as error:  # noqa: BLE001 - the others notice by themselves
            log.info("The swarm was not told that this node leaves: %s.", type(error).__name__)

    def online(self, layers_per_s: float, cache_tokens_left: Callable[[], int]) -> None:
        """The node can be asked from now on."""
        self._left = cache_tokens_left
        self._span = replace(
            self._span,
            state="online",
            inference_rps=layers_per_s,
            throughput=layers_per_s / self._span.length,
        )
        self._told.clear()
        self._changed.set()

    async def told(self) -> None:
        """Wait until what was said last is known to the swarm."""
        await self._told.wait()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            span = self._span
            table.find_again(self._dht, self._peers)
            try:
                await self._announce(max(_SHORTEST_S, _LASTS * self._period_s))
                if span is self._span:
                    self._told.set()
                await self._look_ahead()
            except Exception as error:  # noqa: BLE001 - tried again in a moment
                log.warning("The swarm could not be told of this node: %r", error)
            try:
                async with asyncio.timeout(self._period_s):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _announce(self, lasts_s: float) -> None:
        span = replace(
            self._span,
            cache_tokens_left=self._left(),
            next_pings=self._round_trips.seconds,
        )
        await asyncio.to_thread(
            announce, self._dht, self._prefix, span, self._fields, lasts_s, self._layers
        )

    async def _look_ahead(self) -> None:
        """Measure the way to those that have the layers after ours: a client chooses its path by it."""
        if self._span.state != "online" or self._span.end >= self._layers:
            return
        spans = await asyncio.to_thread(
            read_spans, self._dht, self._prefix, self._layers, max(_SHORTEST_S, self._period_s)
        )
        after = [each.peer for each in spans if each.start <= self._span.end < each.end]
        await self._round_trips.measure([peer for peer in after if peer != self._span.peer])

"""Who is in the swarm: what the distributed hash table says, who of them is a member, and how far away each is."""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from hivemind.p2p import PeerID
from hivemind.proto import runtime_pb2

from backend_adapter.petals import table, wire
from backend_adapter.petals.errors import MissingLayersError, SwarmError, SwarmUnreachableError
from backend_adapter.petals.membership import Membership
from backend_adapter.petals.records import read_spans
from backend_adapter.petals.round_trips import RoundTrips
from backend_adapter.petals.settings import SwarmSettings
from backend_adapter.petals.spans import Span, SwarmState
from backend_adapter.petals.swarm.bans import Bans
from backend_adapter.petals.swarm.routing import cheapest_path

log = logging.getLogger(__name__)

_READ_S = 5.0
_PING_S = 1.5
# Of joining: those that answer at all do so sooner.
_MEASURE_S = 1.0
# Between two looks while somebody waits for a node.
_WAIT_S = 0.3
# Where a peer that was asked did not answer: it is used only where there is nobody else, as one without room.
_SILENT_S = 10.0

_REMEDY = "Name at least two nodes' addresses, and check that one of them can be reached."


class Directory:
    """Looks again every `refresh_s`; `bans` says whom to leave alone."""

    def __init__(self, settings: SwarmSettings, layers: int) -> None:
        self._settings = settings
        self._membership = Membership.of(settings)
        self._state = SwarmState(layers)
        self._dht: Any = None
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._measuring: asyncio.Task[None] | None = None
        self.bans = Bans()
        self.p2p: Any = None
        self.proof = ""

    async def open(self) -> None:
        """Join the swarm without serving anything. Raises SwarmUnreachableError."""
        self._dht = await asyncio.to_thread(
            table.join, self._settings.initial_peers, _REMEDY, client_mode=True, num_workers=32
        )
        try:
            self._round_trips = RoundTrips(self._dht)
            self.p2p = await self._dht.replicate_p2p()
            self.proof = self._membership.proof(self.p2p.peer_id.to_base58())
            await self.refresh()
            if self._measuring is not None:
                await asyncio.wait({self._measuring}, timeout=_MEASURE_S)
        except BaseException:
            await self.close()
            raise
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Leave the swarm; no process stays."""
        for task in (self._task, self._looking, self._measuring):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, SwarmError):
                    await task
        if self.p2p is not None:
            await self.p2p.shutdown()
        if self._dht is not None:
            await asyncio.to_thread(table.leave, self._dht)

    def state(self) -> SwarmState:
        """All members that announced themselves, and the round trips to those that answer; others are offline."""
        trips = self._state.round_trips
        spans = tuple(
            replace(each, state="offline") if trips.get(each.peer, 0) >= _SILENT_S else each
            for each in self._state.spans
        )
        answering = {peer: seconds for peer, seconds in trips.items() if seconds < _SILENT_S}
        return SwarmState(self._state.layers, spans, answering)

    def path(
        self, max_tokens: int, start: int, end: int, *, avoid: Collection[str] = ()
    ) -> tuple[Span, ...]:
        """The cheapest path around whom is banned. Raises MissingLayersError."""
        return cheapest_path(
            self._state, max_tokens, start, end, avoid={*avoid, *self.bans.banned()}
        )

    async def wait_for_path(
        self,
        max_tokens: int,
        start: int,
        end: int,
        timeout_s: float,
        *,
        avoid: Collection[str] = (),
    ) -> tuple[Span, ...]:
        """As `path`, but waits for a node to join where there is none. Raises MissingLayersError."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        # A ban that ends meanwhile does not tell that the node is back: it may only be announced still.
        held = set(self.bans.banned())
        while True:
            try:
                return self.path(max_tokens, start, end, avoid={*avoid, *held})
            except MissingLayersError:
                if asyncio.get_running_loop().time() >= deadline:
                    raise
            held -= await self._parole(held)
            with contextlib.suppress(SwarmUnreachableError):
                await self.refresh()
            try:
                return self.path(max_tokens, start, end, avoid={*avoid, *held})
            except MissingLayersError:
                await asyncio.sleep(_WAIT_S)

    async def answers(self, span: Span) -> bool:
        """Whether the node answers at once."""
        asked = runtime_pb2.ExpertUID(uid=f"{self._settings.model_id}.{span.start}")
        try:
            async with asyncio.timeout(_PING_S):
                await self.p2p.call_protobuf_handler(
                    PeerID.from_base58(span.peer), wire.INFO, asked, runtime_pb2.ExpertInfo
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, the node does not answer
            log.info("No answer to a ping: %r", error)
            return False
        return True

    async def _parole(self, held: Collection[str]) -> set[str]:
        """Where there is nobody else, who only failed once and answers now is used again: who of `held` that is."""
        liars = self.bans.liars()
        asked = [each for each in self._state.spans if each.peer in held and each.peer not in liars]
        answers = await asyncio.gather(*map(self.answers, asked))
        back = {span.peer for span, here in zip(asked, answers, strict=True) if here}
        for peer in back:
            self.bans.lift(peer)
        return back

    async def refresh(self) -> None:
        """Look who is there now; who asks meanwhile waits for the same look. Raises SwarmUnreachableError."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        try:
            found = await asyncio.to_thread(
                read_spans, self._dht, self._settings.model_id, self._state.layers, _READ_S
            )
        except Exception as error:
            raise SwarmUnreachableError(
                f"The swarm's nodes cannot be looked up: {error!r}.",
                "Check that one of the initial peers runs and can be reached.",
            ) from error
        members = tuple(each for each in found if self._membership.admits(each.peer, each.proof))
        self._state = SwarmState(self._state.layers, members, self._state.round_trips)
        # Who is there is known at once; how far away each is takes longer where one is silent.
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure())

    async def _measure(self) -> None:
        peers = [each.peer for each in self._state.spans if each.state == "online"]
        try:
            await self._round_trips.measure(peers)
        except TimeoutError:
            log.info("The round trips to the swarm's nodes could not be measured in time.")
            return
        seconds = {peer: self._round_trips.seconds.get(peer, _SILENT_S) for peer in peers}
        self._state = SwarmState(self._state.layers, self._state.spans, seconds)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._settings.refresh_s)
            table.find_again(self._dht, self._settings.initial_peers)
            try:
                await self.refresh()
            except SwarmUnreachableError as error:
                log.warning("%s", error)

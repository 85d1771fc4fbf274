"""One conversation along a path of nodes, which outlives each of them."""

import asyncio
import logging
import weakref
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from backend_adapter.petals import wire
from backend_adapter.petals.errors import CacheFullError, MissingLayersError, NodeLostError
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.petals.spans import Span
from backend_adapter.petals.swarm import chained, relayed
from backend_adapter.petals.swarm.directory import Directory
from backend_adapter.petals.swarm.faults import could_not_push, faults_in, is_full
from backend_adapter.petals.swarm.known import Known
from backend_adapter.petals.swarm.pace import together
from backend_adapter.petals.swarm.stage import Conditions, Stage, StageFault, Traffic

log = logging.getLogger(__name__)

Embed: TypeAlias = Callable[[Sequence[int]], torch.Tensor]

# So often a single step looks for another way before it gives up.
_MOST_REROUTES = 8


class Session:
    """The KV caches of a conversation of at most `max_tokens` tokens; `embed` gives ids as states [n, width].

    Where all nodes of the path can, a step goes from node to node (chain); otherwise each answers to the client,
    which sends it on (relay). What was sent is kept, so that what a lost node cached can be computed again.
    """

    def __init__(
        self,
        directory: Directory,
        settings: GatewaySettings,
        layers: int,
        width: int,
        embed: Embed,
        max_tokens: int,
    ) -> None:
        self.position = 0
        self.reroutes = 0
        self.traffic = Traffic()
        self._directory, self._settings = directory, settings
        self._layers, self._embed, self._max_tokens = layers, embed, max_tokens
        self._conditions = Conditions(
            settings.model_id,
            directory.proof,
            settings.compression,
            width,
            max_tokens,
            settings.step_timeout_s,
        )
        # Shared with the finalizer: a session that nobody holds any more ends its streams.
        self._stages: list[Stage] = []
        # At each boundary between stages that the client has seen, what came there.
        self._known: dict[int, Known] = {0: Known()}
        # Set where the nodes of the path cannot reach one another.
        self._through_client = False
        # Peers without room for this conversation.
        self._full: set[str] = set()
        # Steps of the chain that were not answered yet.
        self._unsettled: chained.Unsettled = []
        self._lock = asyncio.Lock()
        loop = asyncio.get_running_loop()
        self._finalizer = weakref.finalize(self, _release, self._stages, loop)
        self._finalizer.atexit = False

    @property
    def path(self) -> tuple[Span, ...]:
        """The spans that compute it now."""
        return tuple(stage.span for stage in self._stages)

    @property
    def rolls_back(self) -> bool:
        """Whether every stage forgets tokens at no cost; others are computed anew."""
        try:
            path = self.path or self._directory.path(self._max_tokens, 0, self._layers)
        except MissingLayersError:
            return False
        return all(wire.ROLLBACK in span.features for span in path)

    @property
    def bytes_sent(self) -> int:
        """Bytes of messages sent to nodes so far."""
        return self.traffic.bytes_sent

    @property
    def bytes_received(self) -> int:
        """Bytes of messages received from nodes so far."""
        return self.traffic.bytes_received

    @property
    def round_trips(self) -> int:
        """How often an answer was waited for so far."""
        return self.traffic.round_trips

    async def forward(
        self, ids: Sequence[int], start: int, *, last_only: bool = False
    ) -> torch.Tensor:
        """What the last layer makes of the tokens `ids` from `start` on [n, width], or of the last [1, width].

        `start` is at most `position`; what was cached from there on is forgotten. Raises ValueError for what does
        not fit, MissingLayersError, NodeLostError and CacheFullError.
        """
        count = len(ids)
        async with self._lock:
            if not 0 <= start <= self.position or not count or start + count > self._max_tokens:
                raise ValueError(
                    f"{count} tokens from {start} on do not fit: {self.position} are cached, "
                    f"{self._max_tokens} have room"
                )
            # Should this be given up half-way, nothing beyond is counted on.
            self.position = start
            self._forget(start)
            self._known[0].add(self._embed(ids).detach().float().cpu())
            outputs = await self._advance(start, start + count, last_only)
            self.position = start + count
            for span in self.path:
                self._directory.bans.worked(span.peer)
            return outputs

    async def close(self) -> None:
        """End the conversation; the nodes free its caches."""
        self._finalizer()
        await asyncio.sleep(0)

    # Steps, and what to do when one fails.

    def _forget(self, start: int) -> None:
        """Count on nothing from the token `start` on."""
        for known in self._known.values():
            known.cut(start)
        for stage in list(self._stages):
            if stage.rolls_back:
                stage.held = min(stage.held, start)
            elif stage.sent > start:
                self._drop(stage)

    async def _advance(self, start: int, end: int, last_only: bool) -> torch.Tensor:
        self._full.clear()
        timeout_s = self._settings.step_timeout_s
        fault: StageFault | None = None
        for _ in range(_MOST_REROUTES):
            if not self._finalizer.alive:
                raise ValueError("the session is closed")
            chain = False
            try:
                self._settle()
                await self._mend_path()
                chain = self._chains()
                if chain:
                    return await chained.advance(
                        self._stages,
                        self._known[0],
                        start,
                        end,
                        last_only,
                        self._unsettled,
                        timeout_s,
                    )
                return await relayed.advance(
                    self._stages, self._known, start, end, last_only, timeout_s
                )
            except (StageFault, ExceptionGroup) as error:
                found = faults_in(error)
            fault = found[0]
            await self._lost(found, chain)
        assert fault is not None  # noqa: S101 - each turn that comes here has had one
        raise NodeLostError(
            f"{_MOST_REROUTES} ways through the swarm failed one after another; last: {fault}.",
            "Ask again; if it stays so, look at that node's log.",
        )

    def _chains(self) -> bool:
        needed = {wire.CHAIN, wire.ROLLBACK}
        return (
            not self._through_client
            and len(self._stages) > 1
            and all(needed <= each.span.features for each in self._stages)
        )

    def _settle(self) -> None:
        """Have no step of an earlier attempt on its way between nodes any more."""
        for step_id, stages in self._unsettled:
            for stage in stages:
                stage.void(step_id, answers=stage is stages[-1])
        self._unsettled.clear()

    async def _mend_path(self) -> None:
        """Have live stages for all layers. Raises StageFault where a new one cannot be opened."""
        liars = self._directory.bans.liars()
        for stage in list(self._stages):
            # One that cannot forget, and was given what was not answered, is in an unknown state.
            if stage.broken.done() or (stage.sent != stage.held and not stage.rolls_back):
                self._drop(stage)
            elif stage.span.peer in liars:
                self.reroutes += 1
                self._distrust(stage)
        for start, end in self._gaps():
            opening = [
                Stage.open(self._directory.p2p, span, self._conditions, self.traffic)
                for span in await self._find(start, end)
            ]
            self._stages.extend(await together(opening, undo=Stage.close))
            self._stages.sort(key=lambda each: each.span.start)
        if not self._finalizer.alive:
            _release(self._stages, asyncio.get_running_loop())
        boundaries = {stage.span.start for stage in self._stages}
        for boundary in self._known.keys() - boundaries - {0}:
            del self._known[boundary]

    async def _find(self, start: int, end: int) -> tuple[Span, ...]:
        wait_s = 0 if self._full else self._settings.recover_s
        try:
            return await self._directory.wait_for_path(
                self._max_tokens, start, end, wait_s, avoid=self._full
            )
        except MissingLayersError:
            if not self._full:
                raise
            raise CacheFullError(
                f"No node has room for {self._max_tokens} tokens in the layers {start} to {end - 1}.",
                "Ask again when other conversations have ended, or start another node.",
            ) from None

    def _gaps(self) -> list[tuple[int, int]]:
        """The layers that no stage computes."""
        ends = [0, *(span.end for span in self.path)]
        starts = [*(span.start for span in self.path), self._layers]
        return [gap for gap in zip(ends, starts, strict=True) if gap[0] < gap[1]]

    async def _lost(self, faults: list[StageFault], chain: bool) -> None:
        """Part with the nodes that are to blame, so that the next attempt goes another way."""
        self.reroutes += 1
        for fault in faults:
            log.info("A node is left for another: %s", fault)
            self._part(fault, chain)
        if chain:
            # Which of them broke the chain is not told by where it was noticed.
            stages = list(self._stages)
            answers = await asyncio.gather(*(self._directory.answers(each.span) for each in stages))
            for stage, here in zip(stages, answers, strict=True):
                if not here:
                    self._part(StageFault(stage.span, "hung", "no answer to a ping"), chain=False)
            if stages and all(answers) and any(map(could_not_push, faults)):
                # Both nodes are there, and have no way to each other.
                self._through_client = True

    def _part(self, fault: StageFault, chain: bool) -> None:
        span = fault.span
        if is_full(fault):
            self._full.add(span.peer)
        elif chain and could_not_push(fault):
            pass
        elif chain and fault.kind in ("hung", "lied", "refused"):
            # A stage gives, or refuses, what those before it make: step by step it will be seen who it was.
            self._through_client = True
            if fault.kind == "hung":
                return
        elif fault.kind != "rewound":
            lied = fault.kind == "lied"
            self._directory.bans.ban(span.peer, f"{fault.kind}: {fault.text}", liar=lied)
            self._through_client = False
        for stage in [each for each in self._stages if each.span == span]:
            before = [each for each in self._stages if each.span.end == span.start]
            if fault.kind == "lied" and not chain:
                self._distrust(stage)
            else:
                self._drop(stage)
            # Whoever sends to a node that hangs waits for it, and would not hear anything else.
            if fault.kind == "hung" and before and self._unsettled:
                self._drop(before[0])

    def _drop(self, stage: Stage) -> None:
        stage.close()
        if stage in self._stages:
            self._stages.remove(stage)

    def _distrust(self, liar: Stage) -> None:
        """What a liar made, and whatever was made of that, is computed anew."""
        self._drop(liar)
        for boundary in [each for each in self._known if each > liar.span.start]:
            del self._known[boundary]
        for stage in list(self._stages):
            if stage.span.start > liar.span.start:
                stage.held = 0
                if not stage.rolls_back:
                    self._drop(stage)


def _release(stages: list[Stage], loop: asyncio.AbstractEventLoop) -> None:
    """End all streams; may be called from any thread, as garbage is collected in any."""

    def end() -> None:
        for stage in stages:
            stage.close()
        stages.clear()

    if not loop.is_closed():
        loop.call_soon_threadsafe(end)

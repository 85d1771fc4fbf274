"""Steps that come back to the client between nodes: works with every node, and shows which one fails."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import torch

from backend_adapter.petals.swarm.known import Known
from backend_adapter.petals.swarm.pace import IN_FLIGHT, chunks, patience_s, together
from backend_adapter.petals.swarm.stage import Reply, Stage, StageFault


async def advance(
    stages: Sequence[Stage],
    known: dict[int, Known],
    start: int,
    end: int,
    last_only: bool,
    timeout_s: float,
) -> torch.Tensor:
    """Outputs of the tokens [start, end). Every stage works at once, each as soon as there is something for it.

    What is known at the boundaries says who has to compute what: a stage that holds all it should, and whose
    outputs are known, does nothing. Raises StageFault, alone or in an ExceptionGroup.
    """
    begins = _begins(stages, known, start)
    outputs = Known(start)
    after = [*(known[stage.span.start] for stage in stages[1:]), outputs]
    running: list[Coroutine[Any, Any, None]] = []
    for stage, begin, to in zip(stages, begins, after, strict=True):
        if begin < end:
            only_last = last_only and to is outputs
            run = _Run(stage, known[stage.span.start], to, begin, end, only_last, timeout_s)
            cut = chunks(begin, end, len(stages))
            running.append(run.both(cut))
    await together(running)
    return outputs.take(end - 1 if last_only else start, end)


def _begins(stages: Sequence[Stage], known: dict[int, Known], start: int) -> list[int]:
    """Which token each stage has to begin with, from the last one back: each needs what the one before gives."""
    begins: list[int] = []
    wanted = start
    for stage in reversed(stages):
        if stage.held > wanted and not stage.rolls_back:
            raise StageFault(stage.span, "rewound", "it cannot forget tokens")
        begin = min(stage.held, wanted)
        begins.append(begin)
        here = known.setdefault(stage.span.start, Known(begin))
        if not here.begin <= begin <= here.end:
            here = known[stage.span.start] = Known(begin)
        wanted = here.end
    return begins[::-1]


class _Run:
    """A stage's part of a step: it sends what there is, and takes in what comes back."""

    def __init__(
        self,
        stage: Stage,
        given: Known,
        to: Known,
        begin: int,
        end: int,
        last_only: bool,
        timeout_s: float,
    ) -> None:
        self._stage, self._given, self._to = stage, given, to
        self._begin, self._end = begin, end
        self._last_only, self._timeout_s = last_only, timeout_s
        self._sent: asyncio.Queue[tuple[Reply, int, int]] = asyncio.Queue(IN_FLIGHT)

    async def both(self, cut: Sequence[tuple[int, int]]) -> None:
        """Send and receive."""
        await together([self._send(cut), self._receive()])

    async def _send(self, cut: Sequence[tuple[int, int]]) -> None:
        for begin, end in cut:
            await self._given.beyond(end - 1)
            discarded = end <= self._to.end
            want = "last" if discarded or self._last_only else "all"
            self._stage.held, self._stage.sent = min(self._stage.held, begin), end
            extra = {"start_from_position": begin} if self._stage.rolls_back else {}
            reply = self._stage.send(self._given.take(begin, end), want, extra)  # type: ignore[arg-type]
            await self._sent.put((reply, begin, end))

    async def _receive(self) -> None:
        done = self._begin
        while done < self._end:
            reply, begin, end = await self._sent.get()
            patience = patience_s(self._timeout_s, end - begin, [self._stage.span])
            states = await self._stage.answer(reply, patience)
            self._stage.held = done = end
            if end <= self._to.end:
                continue
            if self._last_only:
                self._to.restart(end - 1)
                self._to.add(states[-1:])
            else:
                self._to.add(states[self._to.end - begin :])

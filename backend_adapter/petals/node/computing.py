"""Computes the waiting steps of all sessions together, round by round, in a thread of its own.

Continuous batching (Yu et al., "Orca", OSDI 2022): a step that arrives joins the next round, whatever the others
are at. A long prefill is taken in pieces between which single tokens of others have their turn.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from backend_adapter.petals.node.layers import Cache, Layers, Segment
from backend_adapter.petals.node.rhythm import Rhythm

# So many tokens one round takes at the most; a longer step waits for the next one with its rest.
_ROUND_TOKENS = 128
# A step of at most so many tokens is somebody's next tokens, which do not wait for a prefill.
_SHORT = 32


@dataclass(eq=False)
class Step:
    """Some tokens of one session: `states` [tokens, width], the first at position `start`.

    Set `abandoned` when nobody wants the result any more.
    """

    states: torch.Tensor
    cache: Cache
    start: int
    first: int
    last: int
    future: asyncio.Future[torch.Tensor]
    arrived: float = field(default_factory=time.monotonic)
    abandoned: bool = False
    done: int = 0
    outputs: list[torch.Tensor] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.states.shape[0] - self.done


class Computing:
    """Takes steps from an event loop and answers them there."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._loop = asyncio.get_running_loop()
        self._arrived: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._rhythm = Rhythm()
        self._thread = threading.Thread(target=self._run, name="computing", daemon=True)
        self._thread.start()

    async def compute(
        self, states: torch.Tensor, cache: Cache, start: int, first: int, last: int
    ) -> torch.Tensor:
        """Hidden states [tokens, width] after the layers [first, last)."""
        step = Step(states, cache, start, first, last, self._loop.create_future())
        self._arrived.put(step)
        try:
            return await step.future
        finally:
            step.abandoned = True

    def close(self) -> None:
        """End after the round that is computed now."""
        self._arrived.put(None)

    def _run(self) -> None:
        waiting = list[Step]()
        while self._take(waiting):
            began = time.monotonic()
            chosen = choose(waiting)
            self._round(chosen)
            self._rhythm.computed(time.monotonic() - began)
            # Two long prefills take turns, so that a shorter one does not wait for all of a longer one.
            had_turn = {step for step, _ in chosen}
            left = [each for each in waiting if each.left and not each.future.done()]
            waiting = sorted(left, key=lambda each: each in had_turn)

    def _take(self, waiting: list[Step]) -> bool:
        """Add to `waiting` what has come, and what is likely to come in a moment; False at the end."""
        since = None
        while True:
            patience = None
            if waiting:
                now = time.monotonic()
                since = since or now
                patience = self._rhythm.patience_s(
                    {each.cache for each in waiting}, sum(each.left for each in waiting), since, now
                )
            try:
                step = (
                    self._arrived.get(timeout=patience)
                    if patience != 0
                    else self._arrived.get_nowait()
                )
            except queue.Empty:
                waiting[:] = [each for each in waiting if not each.abandoned]
                if waiting:
                    return True
                continue
            if step is None:
                return False
            self._rhythm.came(step.cache, step.arrived)
            waiting.append(step)

    def _round(self, chosen: Sequence[tuple[Step, int]]) -> None:
        groups: dict[tuple[int, int], list[tuple[Step, int]]] = {}
        for step, count in chosen:
            groups.setdefault((step.first, step.last), []).append((step, count))
        for (first, last), steps in groups.items():
            try:
                self._batch(steps, first, last)
            except Exception as error:  # noqa: BLE001 - who asked for it is told
                for step, _ in steps:
                    step.done = step.states.shape[0]
                    self._loop.call_soon_threadsafe(_fail, step.future, error)

    def _batch(self, steps: Sequence[tuple[Step, int]], first: int, last: int) -> None:
        pieces = [step.states[step.done : step.done + count] for step, count in steps]
        segments = [Segment(step.cache, step.start + step.done, count) for step, count in steps]
        states = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        after = self._layers.run(states, segments, first, last)
        for (step, count), output in zip(
            steps, after.split([count for _, count in steps]), strict=True
        ):
            step.done += count
            step.outputs.append(output)
            if not step.left:
                whole = step.outputs[0] if len(step.outputs) == 1 else torch.cat(step.outputs)
                self._loop.call_soon_threadsafe(_answer, step.future, whole)


def choose(waiting: Sequence[Step]) -> list[tuple[Step, int]]:
    """Which steps the next round takes, and how many tokens of each: short ones first, in turn."""
    chosen, room = [], _ROUND_TOKENS
    for step in sorted(waiting, key=lambda each: each.left > _SHORT):
        count = min(step.left, room)
        if count:
            chosen.append((step, count))
            room -= count
    return chosen


def _answer(future: asyncio.Future[torch.Tensor], result: torch.Tensor) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[torch.Tensor], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)

"""How long input is cut into steps, how long each may take, and running several things that fail together."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from backend_adapter.petals.spans import Span
from backend_adapter.petals.swarm.routing import layer_seconds

T = TypeVar("T")

# So many steps may be on their way to a stage.
IN_FLIGHT = 8
_SMALLEST, _LARGEST = 32, 128
# A node may be so many times slower than it announced before it counts as hung: others use it as well.
_PATIENCE = 3.0


def chunks(start: int, end: int, stages: int) -> list[tuple[int, int]]:
    """[start, end) in pieces such that all stages have one to work at: about two for each."""
    size = min(_LARGEST, max(_SMALLEST, -(-(end - start) // (2 * stages))))
    return [(begin, min(end, begin + size)) for begin in range(start, end, size)]


def patience_s(timeout_s: float, tokens: int, spans: Sequence[Span]) -> float:
    """How long an answer for so many tokens may take: the timeout for one, and time to compute the others."""
    compute = sum(each.length * layer_seconds(each) for each in spans)
    return timeout_s + _PATIENCE * (tokens - 1) * compute


async def together(
    running: Sequence[Coroutine[Any, Any, T]], undo: Callable[[T], None] | None = None
) -> list[T]:
    """All results; where one fails, the others are ended, and what was made is undone. Raises ExceptionGroup."""
    tasks = [asyncio.create_task(each) for each in running]
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(_wait_for(task))
    except BaseException:
        for task in tasks:
            if undo is not None and task.done() and not task.cancelled() and not task.exception():
                undo(task.result())
        raise
    return [task.result() for task in tasks]


async def _wait_for(task: asyncio.Task[T]) -> None:
    await task

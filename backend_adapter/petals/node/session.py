"""One conversation at one node: its caches, its place in the line of steps, and the steps that are pushed to it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from backend_adapter.petals import wire
from backend_adapter.petals.node.layers import Cache

# So many steps may wait for a session; who sends more does not wait for answers as it should.
_MOST_WAITING = 256


@dataclass(frozen=True)
class Arrived:
    """A step that has come, from the client or from the node before."""

    request: wire.Request
    metadata: dict[str, Any]


class Session:
    """`caches` has one cache for each row of the batch; `position` is how many tokens they hold."""

    def __init__(self, first: int, last: int, max_length: int, caches: list[Cache]) -> None:
        self.first, self.last, self.max_length = first, last, max_length
        self.caches = caches
        self.position = 0
        self._waiting: asyncio.Queue[Arrived | None] = asyncio.Queue(_MOST_WAITING)
        self._early: dict[int, Arrived] = {}
        self._next_number = 0
        self._seen: set[str] = set()
        self.fault = ""

    def arrived(self, request: wire.Request, metadata: dict[str, Any]) -> None:
        """A step has come. Raises ValueError where too many wait.

        The same step may come twice (a stock client sends it as well as the node before does): the first counts.
        Steps that carry a number are taken in its order, however the network mixed them.
        """
        step = metadata.get("step_id")
        if isinstance(step, str):
            if step in self._seen:
                return
            self._seen.add(step)
        number = metadata.get("step_number")
        arrived = Arrived(request, metadata)
        if not isinstance(number, int):
            self._put(arrived)
            return
        if len(self._early) >= _MOST_WAITING:
            raise ValueError("too many steps came before their turn")
        self._early[number] = arrived
        while (due := self._early.pop(self._next_number, None)) is not None:
            self._next_number += 1
            self._put(due)

    def ended(self) -> None:
        """Nothing more will come."""
        while self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    def lost(self) -> None:
        """What it sent to the next node may not have arrived: it ends, so that its client hears of it."""
        self.fault = "the node of the next layers could not be reached"
        self.ended()

    async def next(self, timeout_s: float) -> Arrived | None:
        """The next step; None at the end. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._waiting.get()

    def _put(self, arrived: Arrived) -> None:
        try:
            self._waiting.put_nowait(arrived)
        except asyncio.QueueFull:
            raise ValueError("too many steps wait in this session") from None

    def begin(self, metadata: dict[str, Any], tokens: int) -> int:
        """Where a step of so many tokens begins; what was cached from there on is forgotten. Raises ValueError."""
        start = metadata.get("start_from_position")
        if start is None:
            start = self.position
        if not isinstance(start, int) or not 0 <= start <= self.position:
            raise ValueError(
                f"a step begins at position {start!r}, and {self.position} tokens are cached"
            )
        if start + tokens > self.max_length:
            raise ValueError(
                f"{start + tokens} tokens are more than the {self.max_length} that were asked for"
            )
        self.position = start + tokens
        return start

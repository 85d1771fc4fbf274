"""What a network path does to what is sent over it, and the profiles that are measured."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """One path, alike in both directions: `delay_s` is one way, `jitter_s` the most that comes on top of it.

    `bytes_per_s` limits it (None: not at all). Every `stall_every_s` nothing gets through for `stall_s`.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    stall_every_s: float | None = None
    stall_s: float = 0.0


STAGES = 3
_BAD = Link(0.05, jitter_s=0.03, bytes_per_s=250_000, stall_every_s=5, stall_s=0.5)
PROFILES = {
    "lan": (Link(),) * STAGES,
    "20ms": (Link(0.02),) * STAGES,
    "50ms": (Link(0.05),) * STAGES,
    "100ms": (Link(0.1),) * STAGES,
    "bad-link": (Link(0.05), _BAD, Link(0.05)),
}


class Course:
    """When each piece that enters one direction of a link leaves it; never before the piece ahead of it."""

    def __init__(
        self, link: Link, begun: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._link, self._begun, self._chance = link, begun, chance
        self._sent = self._left = begun

    def leaves(self, now: float, size: int) -> float:
        """When `size` bytes that enter at `now` have left, in seconds of the same clock."""
        link = self._link
        self._sent = max(self._sent, now)
        if link.bytes_per_s is not None:
            self._sent += size / link.bytes_per_s
        left = self._sent + link.delay_s + link.jitter_s * self._chance()
        if link.stall_every_s is not None:
            within = (left - self._begun) % link.stall_every_s
            stalled = link.stall_every_s - link.stall_s
            if within >= stalled:
                left += link.stall_every_s - within
        self._left = max(self._left, left)
        return self._left

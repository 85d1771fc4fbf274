"""What arrives for many streams is taken in rounds, as network cards moderate their interrupts.

A processor that wakes for one chunk at a time spends most of that time on getting warm: the same work was
measured at 3 microseconds in a row and at 20 after each idle gap. A round takes what all streams got in two
milliseconds, of the twenty or more that lie between two tokens of one stream. The first token of an answer
never waits, and with few streams nothing does.
"""

import asyncio
from typing import Protocol

# From so many streams on it is worth it; and how long a round waits, in seconds.
_MANY = 16
_ROUND_S = 0.002


class Receiver(Protocol):
    """Somebody who gets bytes; `waiting` counts those pieces that wait for a round."""

    waiting: int

    def receive(self, data: bytes) -> None:
        """Take the next bytes."""
        ...


class Rounds:
    """The rounds of one event loop; `many` tells whether so many streams are flowing that rounds are worth it.

    A piece of a stream for which another piece waits must wait too, however many streams there are.
    """

    def __init__(self) -> None:
        self.many = False
        self._streams = 0
        self._waiting: list[tuple[Receiver, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None

    def begins(self) -> None:
        """A stream begins to flow."""
        self._streams += 1
        self.many = self._streams >= _MANY

    def ends(self) -> None:
        """A stream has flowed."""
        self._streams -= 1
        self.many = self._streams >= _MANY

    def put_off(self, receiver: Receiver, data: bytes) -> None:
        """Keep `data` for the next round."""
        receiver.waiting += 1
        self._waiting.append((receiver, data))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_ROUND_S, self.go)

    def go(self) -> None:
        """Hand out everything that waits, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for receiver, data in waiting:
            receiver.waiting -= 1
            receiver.receive(data)

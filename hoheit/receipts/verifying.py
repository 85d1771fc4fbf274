"""Walks the whole chain of receipts, and says so where that takes a while."""

import sys
import time
from dataclasses import dataclass
from typing import TextIO

from backend_adapter.egress.receipts.chain import Verifier, readable
from backend_adapter.egress.receipts.record import iso
from backend_adapter.egress.receipts.store import Receipts

# A wait that is longer is explained, and how often anew, in seconds: in a terminal in place, in a log seldom.
_QUIET_S = 2.0
_TERMINAL_EVERY_S, _LOG_EVERY_S = 0.2, 10.0
_LOOK_EVERY = 256


@dataclass(frozen=True)
class Verified:
    """A chain that holds; the times are empty where it has no receipt."""

    receipts: int
    first: str
    last: str
    head: str
    """Number and hash of the last receipt, to be kept elsewhere."""


async def verify(receipts: Receipts, head: tuple[int, str] | None) -> Verified:
    """Raises BrokenChainError where the chain does not hold, and DatabaseError."""
    verifier, waiting = Verifier(head), _Waiting(sys.stderr)
    first = last = ""
    try:
        async for link in receipts.rows():
            verifier.add(link)
            last = iso(readable(link).time)
            first = first or last
            if link.seq % _LOOK_EVERY == 0:
                waiting.tell(f"{link.seq} receipts hold so far")
    finally:
        waiting.end()
    verifier.end()
    return Verified(verifier.seq, first, last, f"{verifier.seq}:{verifier.hash}")


class _Waiting:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._terminal = out.isatty()
        self._every_s = _TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S
        self._next = time.monotonic() + _QUIET_S
        self._told = False

    def tell(self, text: str) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every_s
        self._told = True
        self._out.write(f"\r\x1b[2K… {text}" if self._terminal else f"… {text}\n")
        self._out.flush()

    def end(self) -> None:
        if self._told and self._terminal:
            self._out.write("\r\x1b[2K")
            self._out.flush()

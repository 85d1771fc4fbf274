"""The chain: each receipt's hash covers the one before it, so none can be changed, taken out or moved alone.

hash(n) = SHA-256(hash(n - 1) || canonical bytes of receipt n), with 32 zero bytes before the first, which
has the number 1. Who may write everything in the database could compute the whole chain anew; only a hash
that was kept elsewhere shows that.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backend_adapter.egress.receipts.record import Receipt, canonical
from backend_adapter.errors import AdapterError

Fault: TypeAlias = Literal["changed", "missing", "out of order"]

FIRST = 1
# What stands before the first receipt, in hexadecimal.
START = "0" * 64


@dataclass(frozen=True)
class Link:
    """One row of the table: `receipt` is None where the row holds none that can be read."""

    seq: int
    receipt: Receipt | None
    previous: str
    hash: str


class BrokenChainError(AdapterError):
    """The chain does not hold: at which number first, and why."""

    def __init__(self, seq: int, fault: Fault, told: str) -> None:
        super().__init__(
            f"Receipt {seq} is {fault}: {told}.",
            "Find out who could write the adapter's database, and compare with a backup.",
            code="receipt_chain_broken",
        )
        self.seq = seq
        self.fault = fault


def readable(link: Link) -> Receipt:
    """The receipt of `link`. Raises BrokenChainError where its row holds none."""
    if link.receipt is None:
        raise BrokenChainError(link.seq, "changed", "its row holds no receipt that can be read")
    return link.receipt


def link_hash(previous: str, receipt: Receipt) -> str:
    """The hash of a receipt after `previous`, both in hexadecimal. Raises ValueError for another `previous`."""
    before = bytes.fromhex(previous)
    if len(before) != 32:
        raise ValueError("the hash before is no SHA-256")
    return hashlib.sha256(before + canonical(receipt)).hexdigest()


class Verifier:
    """Takes the rows one after the other, so that a chain of any length needs no memory.

    `head` is a number and a hash that were kept elsewhere, which the chain must still contain.
    """

    def __init__(self, head: tuple[int, str] | None = None) -> None:
        self._head = head
        self.seq = FIRST - 1
        """Number of the last receipt that holds."""
        self.hash = START
        """Its hash."""

    def add(self, link: Link) -> None:
        """Raises BrokenChainError where `link` is not what must come next."""
        expected = self.seq + 1
        if link.seq < expected:
            raise BrokenChainError(
                link.seq, "out of order", f"after receipt {self.seq} number {expected} must come"
            )
        if link.seq > expected:
            raise BrokenChainError(expected, "missing", f"the next one is receipt {link.seq}")
        self._check(link)
        if self._head is not None and self._head[0] == link.seq and self._head[1] != link.hash:
            raise BrokenChainError(link.seq, "changed", "its hash is not the one that was kept")
        self.seq, self.hash = link.seq, link.hash

    def end(self) -> None:
        """Raises BrokenChainError where the chain does not reach to the head that was kept."""
        if self._head is not None and self.seq < self._head[0]:
            raise BrokenChainError(
                self.seq + 1, "missing", f"receipt {self._head[0]} was there when its hash was kept"
            )

    def _check(self, link: Link) -> None:
        try:
            whole = link.receipt is not None and link.hash == link_hash(link.previous, link.receipt)
        except (ValueError, TypeError):
            whole = False
        if not whole:
            raise BrokenChainError(link.seq, "changed", "its hash is not that of its content")
        if link.previous != self.hash:
            raise BrokenChainError(
                link.seq,
                "out of order",
                f"it was not written after receipt {self.seq} as that is now",
            )


def verify(links: Iterable[Link], head: tuple[int, str] | None = None) -> tuple[int, str]:
    """The number and hash of the last of `links`, which are in the order of their numbers.

    Raises BrokenChainError at the first that is changed, missing or out of order.
    """
    verifier = Verifier(head)
    for link in links:
        verifier.add(link)
    verifier.end()
    return verifier.seq, verifier.hash

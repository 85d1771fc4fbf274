"""Which nodes are not to be used for now, and why."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

# The first time a node fails, in seconds; each further time in a row twice as long.
_FIRST_S = 5.0
_LONGEST_S = 300.0
# A node that lied once is not believed for so long.
_LIAR_S = 3600.0


@dataclass(frozen=True)
class Ban:
    """Until when (time.monotonic) a node is left alone; `liar` where its numbers were wrong."""

    until: float
    strikes: int
    reason: str
    liar: bool


class Bans:
    """Bans that end by themselves, later each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bans: dict[str, Ban] = {}

    def ban(self, peer: str, reason: str, *, liar: bool = False) -> None:
        """Leave the node alone for a while."""
        known, now, strikes = self._bans.get(peer), self._clock(), 1
        if known is not None and known.until > now and known.liar:
            return
        if known is not None:
            # A failure that several conversations saw at once is one.
            strikes = known.strikes if known.until > now else known.strikes + 1
        seconds = _LIAR_S if liar else min(_LONGEST_S, _FIRST_S * 2 ** (strikes - 1))
        self._bans[peer] = Ban(now + seconds, strikes, reason, liar)

    def lift(self, peer: str) -> None:
        """There is nobody else, and the node answers: try it again. A liar stays banned."""
        known = self._bans.get(peer)
        if known is not None and not known.liar:
            self._bans[peer] = replace(known, until=self._clock())

    def worked(self, peer: str) -> None:
        """The node has answered as it should: the next ban is a short one again."""
        known = self._bans.get(peer)
        if known is not None and not known.liar:
            del self._bans[peer]

    def banned(self) -> dict[str, Ban]:
        """Those that are banned now, by peer."""
        now = self._clock()
        return {peer: ban for peer, ban in self._bans.items() if ban.until > now}

    def liars(self) -> frozenset[str]:
        """Those whose numbers were wrong."""
        return frozenset(peer for peer, ban in self.banned().items() if ban.liar)

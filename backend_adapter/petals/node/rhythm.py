"""How long a round waits for one more step: conversations ask at a steady pace, so the next can be foreseen."""

import weakref
from collections.abc import Collection

# How much a session's last interval says beside those before it.
_NEWEST = 0.5
# Whose last step is longer ago, in seconds, is not in the middle of an answer.
_LATELY_S = 1.0
# A round waits for twice as long as the last one took, and so many seconds at the most: a step that joins costs
# little, and from then on its session's steps come along with the others'.
_ROUNDS = 2.0
_LONGEST_S = 0.05
# With more tokens, a round's time goes into computing and not into reading weights: one more saves nothing.
_MANY = 32
# Steps are late by so many rounds before they are not waited for any more.
_LATE_ROUNDS = 1.0
# A round does not wait for more than this share of the sessions: while it is computed, the others are at the other
# nodes, which have nothing to do otherwise.
_ENOUGH = 0.5


class Rhythm:
    """When the steps of each session came; all times are those of one clock, in seconds."""

    def __init__(self) -> None:
        self._last = weakref.WeakKeyDictionary[object, float]()
        self._interval = weakref.WeakKeyDictionary[object, float]()
        self._round_s = 0.0

    def came(self, session: object, when: float) -> None:
        """A step of a session has come."""
        interval = when - self._last.get(session, float("-inf"))
        self._last[session] = when
        if interval > _LATELY_S:
            self._interval.pop(session, None)
        else:
            known = self._interval.get(session, interval)
            self._interval[session] = known + _NEWEST * (interval - known)

    def computed(self, seconds: float) -> None:
        """A round took so long."""
        self._round_s = seconds

    def patience_s(self, here: Collection[object], tokens: int, since: float, now: float) -> float:
        """How long a round with so many `tokens` of the sessions `here` waits for one more step.

        It has waited since `since`.
        """
        asking = sum(now - last < _LATELY_S for last in self._last.values())
        until = since + min(_LONGEST_S, _ROUNDS * self._round_s)
        if tokens > _MANY or len(here) >= _ENOUGH * asking or until <= now:
            return 0.0
        late = now - _LATE_ROUNDS * self._round_s
        due = any(
            late <= self._last[session] + interval <= until and session not in here
            for session, interval in self._interval.items()
        )
        return until - now if due else 0.0

"""Whether a replica gets requests: a circuit breaker (Nygard, "Release It!", 2007) with jittered backoff.

Requests of users never test a replica that failed: while its circuit is not closed, only the health
monitor's own one-token completion does.
"""

import random
from collections.abc import Callable
from typing import Literal, TypeAlias

State: TypeAlias = Literal["starting", "closed", "open", "half_open"]

# So many HTTP errors in a row open a circuit; a broken connection or a silence does at once.
_ERRORS_IN_A_ROW = 3
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


class Circuit:
    """The state of one replica; times are seconds of any steady clock.

    starting: never proved yet. closed: gets requests. open: failed, waits. half_open: is being proved.
    `random_share` gives numbers from 0 to 1.
    """

    def __init__(self, random_share: Callable[[], float] = random.random) -> None:
        self.state: State = "starting"
        self.reason = "It has not been asked yet."
        self.opened = 0
        # When it last opened after it had been closed.
        self.opened_at = float("-inf")
        self._random_share = random_share
        self._errors = 0
        self._failed_proofs = 0
        self._prove_at = 0.0

    @property
    def closed(self) -> bool:
        return self.state == "closed"

    def due(self, now: float) -> bool:
        """Whether a proof should be made now."""
        return self.state in ("starting", "open") and now >= self._prove_at

    @property
    def prove_at(self) -> float:
        """When the next proof is due; only of meaning while starting or open."""
        return self._prove_at

    def proving(self) -> None:
        """A proof is under way."""
        self.state = "half_open"

    def proved(self) -> None:
        """It generated a token."""
        self.state = "closed"
        self.reason = ""
        self._errors = 0
        self._failed_proofs = 0

    def succeeded(self) -> None:
        """It completed an answer for a user."""
        self._errors = 0
        if self.state != "closed":
            self.proved()

    def failed(self, now: float, reason: str, *, at_once: bool) -> None:
        """It failed a user or a proof; with `at_once` the circuit opens whatever came before."""
        self._errors += 1
        if self.state == "closed" and not at_once and self._errors < _ERRORS_IN_A_ROW:
            return
        self.reason = reason
        if self.state == "open":
            return
        if self.state == "closed":
            self._failed_proofs = 0
            self.opened += 1
            self.opened_at = now
        else:
            self._failed_proofs += 1
        self.state = "open"
        wait = min(_FIRST_WAIT_S * 2.0**self._failed_proofs, _LONGEST_WAIT_S)
        # "Equal jitter": half of the wait is fixed, so that replicas of one server are not proved together.
        self._prove_at = now + wait * (0.5 + 0.5 * self._random_share())

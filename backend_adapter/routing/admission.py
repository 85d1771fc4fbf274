"""How many requests run at once on one model, and who waits how long for a place.

Places are handed on in the order of `fair_queue`: users share them by weight, counted in tokens, whatever
each of them sends. Background tasks (titles, tags) wait in a queue of their own and get a place only when
no chat could take it. A waiter is a future, not a task; nothing is polled.
"""

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

from backend_adapter.errors import QueueFullError, QueueTimeoutError
from backend_adapter.routing.fair_queue import FairQueue
from backend_adapter.settings import AdapterSettings

# Completions from which the rate is taken that Retry-After speaks of.
_REMEMBERED = 64
# Bounds of Retry-After, in seconds.
_SHORTEST_S, _LONGEST_S = 1, 60


@dataclass(frozen=True)
class AdmissionLimits:
    """`max_queued` and `max_queued_per_user` count chats and background tasks each by themselves."""

    max_concurrent: int
    max_queued: int
    max_concurrent_per_user: int
    max_queued_per_user: int
    queue_timeout_s: float
    weights: Mapping[str, float] = field(default_factory=dict)

    def weight(self, user: str) -> float:
        """The share of `user` among those who wait."""
        return self.weights.get(user, 1.0)


def limits_for(settings: AdapterSettings, model: str) -> AdmissionLimits:
    """The limits of `model`: its own where it has some, else those of all models."""
    general, own = settings.admission, settings.model(model)
    clients = {client.name: client.weight for client in settings.clients}
    return AdmissionLimits(
        max_concurrent=own.max_concurrent or general.max_concurrent,
        max_queued=general.max_queued if own.max_queued is None else own.max_queued,
        max_concurrent_per_user=general.max_concurrent_per_user,
        max_queued_per_user=general.max_queued_per_user,
        queue_timeout_s=general.queue_timeout_s,
        weights={**clients, **general.weights},
    )


class Admission:
    """The places of one model. All of it happens in one event loop."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._chats: FairQueue[_Waiter] = FairQueue()
        self._background: FairQueue[_Waiter] = FairQueue()
        self._running = 0
        self._running_of: dict[str, int] = {}
        self._left_at: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def running(self) -> int:
        """How many hold a place."""
        return self._running

    @property
    def queued(self) -> dict[str, int]:
        """How many wait, by priority: `chat` and `background`."""
        return {"chat": len(self._chats), "background": len(self._background)}

    def place(self, user: str, *, cost: int, background: bool = False) -> "Place":
        """`async with admission.place(...)`: waits for a place and holds it; `cost` in tokens.

        Entering raises QueueFullError where nobody more, or no more of this user, may wait, and
        QueueTimeoutError after `queue_timeout_s`.
        """
        return Place(self, user, cost, background)

    def apply(self, limits: AdmissionLimits) -> None:
        """Use these limits from now on. Who runs or waits stays, even where fewer are allowed now."""
        self._limits = limits
        for queue in (self._chats, self._background):
            queue.reweigh(limits.weight)
            for user in queue.users():
                if self._has_enough(user):
                    queue.hold(user)
                else:
                    queue.release(user)
        self._hand_on()

    async def _enter(self, user: str, cost: int, background: bool) -> None:
        # Whenever a place is free, nobody waits who could take it.
        if self._running < self._limits.max_concurrent and not self._has_enough(user):
            self._occupy(user)
            return
        queue = self._background if background else self._chats
        self._require_room(queue, user)
        waiter = _Waiter(asyncio.get_running_loop().create_future())
        weight = self._limits.weight(user)
        queue.push(user, waiter, cost, weight, held=self._has_enough(user))
        timer = asyncio.get_running_loop().call_later(
            self._limits.queue_timeout_s, self._give_up, queue, user, waiter
        )
        try:
            await waiter.future
        except BaseException:
            if waiter.admitted:  # and cancelled before it could begin
                self._exit(user)
            else:
                queue.remove(user, waiter)
            raise
        finally:
            timer.cancel()

    def _exit(self, user: str) -> None:
        self._left_at.append(asyncio.get_running_loop().time())
        self._running -= 1
        self._running_of[user] -= 1
        if not self._running_of[user]:
            del self._running_of[user]
        if not self._has_enough(user):
            self._chats.release(user)
            self._background.release(user)
        self._hand_on()

    def _hand_on(self) -> None:
        while self._running < self._limits.max_concurrent:
            queue = self._chats if self._chats.ready else self._background
            if not queue.ready:
                return
            user, waiter = queue.pop()
            if not waiter.future.done():  # else it was cancelled, and will see that in a moment
                self._occupy(user)
                waiter.admitted = True
                waiter.future.set_result(None)

    def _occupy(self, user: str) -> None:
        self._running += 1
        self._running_of[user] = self._running_of.get(user, 0) + 1
        if self._has_enough(user):
            self._chats.hold(user)
            self._background.hold(user)

    def _has_enough(self, user: str) -> bool:
        return self._running_of.get(user, 0) >= self._limits.max_concurrent_per_user

    def _require_room(self, queue: "FairQueue[_Waiter]", user: str) -> None:
        limits = self._limits
        if len(queue) >= limits.max_queued:
            raise QueueFullError(
                f"{len(queue)} requests wait for this model already, and no more may.",
                self._retry_after_s(queue),
            )
        if queue.waiting(user) >= limits.max_queued_per_user:
            raise QueueFullError(
                f"{queue.waiting(user)} of your requests wait for this model already, "
                "and one user may have no more.",
                self._retry_after_s(queue),
            )

    def _give_up(self, queue: "FairQueue[_Waiter]", user: str, waiter: "_Waiter") -> None:
        if not waiter.future.done():
            queue.remove(user, waiter)
            waiter.future.set_exception(
                QueueTimeoutError(
                    f"No place became free within {self._limits.queue_timeout_s:g} s.",
                    self._retry_after_s(queue),
                )
            )

    def _retry_after_s(self, queue: "FairQueue[_Waiter]") -> int:
        """How long those who wait now will take, at the rate at which requests ended lately."""
        if not self._left_at:
            return _LONGEST_S
        # Up to now, not to the last completion: where nothing ends any more, the rate falls.
        took = asyncio.get_running_loop().time() - self._left_at[0]
        seconds = math.ceil((len(queue) + 1) * took / len(self._left_at))
        return min(max(seconds, _SHORTEST_S), _LONGEST_S)


class Place:
    """A place among those who run; made by `Admission.place`."""

    __slots__ = ("_admission", "_background", "_cost", "_user")

    def __init__(self, admission: Admission, user: str, cost: int, background: bool) -> None:
        self._admission = admission
        self._user = user
        self._cost = cost
        self._background = background

    async def __aenter__(self) -> None:
        await self._admission._enter(self._user, self._cost, self._background)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._admission._exit(self._user)


class _Waiter:
    __slots__ = ("admitted", "future")

    def __init__(self, future: asyncio.Future[None]) -> None:
        self.future = future
        self.admitted = False

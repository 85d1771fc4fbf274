"""Who is next, where several users wait for the same places: deficit round robin over users.

M. Shreedhar and G. Varghese, "Efficient Fair Queueing using Deficit Round Robin", SIGCOMM 1995. Users stand
in a ring. In each round a user is credited a quantum times its weight and served as long as the credit
covers the cost at the head of its queue; what is left is kept for the next round, and lost when the queue
runs empty. The paper's server steps through rounds that serve nobody where a cost is many quanta. Here the
round in which each user's turn comes is computed and a heap gives the nearest, so that a small quantum,
which lets users alternate closely, costs nothing: O(log users) for each item put in or taken out.

What it promises: while an item of cost c stands at the head of a user of weight w, any other user, of weight
v, is served items that cost less than C + (ceil(c / (q w)) + 1) q v in all, where q is the quantum and C the
most that one item of that user costs.
"""

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

# Cost that one round lets a user of weight 1 spend, in tokens: about a short chat.
QUANTUM = 256


class _Flow(Generic[T]):
    """The waiting items of one user."""

    __slots__ = ("credit", "deficit", "entry", "held", "items", "position", "round", "user")

    def __init__(self, user: str, credit: int) -> None:
        self.user = user
        self.items: OrderedDict[T, int] = OrderedDict()
        self.credit = credit
        self.deficit = 0
        self.round = 0  # the last one whose credit is in `deficit`
        self.position = 0
        self.entry = 0  # the heap's entry that counts; 0 outside the ring
        self.held = False


class FairQueue(Generic[T]):
    """Items of many users; `pop` gives the next one. A user who is held keeps its items but has no turn."""

    def __init__(self) -> None:
        self._flows: dict[str, _Flow[T]] = {}
        self._ring: list[tuple[int, int, int, _Flow[T]]] = []  # round, position, entry, flow
        self._turns = 0  # flows in the ring; the heap has stale entries besides
        self._numbers = itertools.count(1)
        self._round = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def ready(self) -> bool:
        """Whether `pop` has something to give."""
        return self._turns > 0

    def waiting(self, user: str) -> int:
        """How many items of `user` are in the queue."""
        flow = self._flows.get(user)
        return len(flow.items) if flow else 0

    def users(self) -> tuple[str, ...]:
        """Who has items in the queue."""
        return tuple(self._flows)

    def push(self, user: str, item: T, cost: int, weight: float, *, held: bool = False) -> None:
        """Put `item` behind the others of `user`, who may be held from the first one on."""
        flow = self._flows.get(user)
        if flow is None:
            flow = self._flows[user] = _Flow(user, _credit(weight))
            flow.held = held
        flow.items[item] = max(1, cost)
        self._length += 1
        if len(flow.items) == 1:
            self._join(flow)

    def pop(self) -> tuple[str, T]:
        """Take out the item whose turn it is. Raises IndexError if nobody's is."""
        while True:
            due, _, entry, flow = heapq.heappop(self._ring)
            if entry == flow.entry:
                break
        self._leave(flow)
        flow.deficit += (due - flow.round) * flow.credit
        flow.round = self._round = due
        item, cost = flow.items.popitem(last=False)
        flow.deficit -= cost
        self._length -= 1
        if flow.items:
            self._take_turn(flow)
        else:
            del self._flows[flow.user]
        return flow.user, item

    def remove(self, user: str, item: T) -> None:
        """Take `item` out of turn, if it is still there; the credit that it waited for goes with it."""
        flow = self._flows.get(user)
        if flow is None or item not in flow.items:
            return
        was_head = next(iter(flow.items)) == item
        del flow.items[item]
        self._length -= 1
        if was_head:
            self._leave(flow)
            if not flow.items:
                del self._flows[user]
            elif not flow.held:
                flow.round = self._round
                self._take_turn(flow)

    def hold(self, user: str) -> None:
        """Give `user` no turn until it is released."""
        if flow := self._flows.get(user):
            flow.held = True
            self._leave(flow)

    def release(self, user: str) -> None:
        """Let a held user into the ring again, at its end."""
        flow = self._flows.get(user)
        if flow and flow.held:
            flow.held = False
            self._join(flow)

    def reweigh(self, weight: Callable[[str], float]) -> None:
        """Give every waiting user a new weight, and with it a new start in the same order."""
        for flow in sorted(self._flows.values(), key=lambda each: each.position):
            flow.credit = _credit(weight(flow.user))
            flow.deficit = 0
            self._leave(flow)
            self._join(flow)

    def _join(self, flow: _Flow[T]) -> None:
        """At the ring's end: everybody in it has one more turn before this user's first."""
        if not flow.held:
            flow.round = self._round
            flow.position = next(self._numbers)
            self._take_turn(flow)

    def _take_turn(self, flow: _Flow[T]) -> None:
        missing = next(iter(flow.items.values())) - flow.deficit
        due = flow.round + max(0, -(-missing // flow.credit))
        flow.entry = next(self._numbers)
        self._turns += 1
        heapq.heappush(self._ring, (due, flow.position, flow.entry, flow))
        if len(self._ring) > 2 * self._turns + 64:
            self._ring = [each for each in self._ring if each[2] == each[3].entry]
            heapq.heapify(self._ring)

    def _leave(self, flow: _Flow[T]) -> None:
        if flow.entry:
            flow.entry = 0
            self._turns -= 1


def _credit(weight: float) -> int:
    return max(1, round(QUANTUM * weight))

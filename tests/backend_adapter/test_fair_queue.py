"""The order in which users are served: fair by cost and weight, and nobody is overtaken without bound."""

from collections import Counter, deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.routing.fair_queue import QUANTUM, FairQueue


def filled(**waiting: tuple[int, int, float]) -> FairQueue[int]:
    """A queue in which each user has so many items of such a cost and such a weight."""
    queue: FairQueue[int] = FairQueue()
    numbers = iter(range(10_000))
    for user, (count, cost, weight) in waiting.items():
        for _ in range(count):
            queue.push(user, next(numbers), cost, weight)
    return queue


def order(queue: FairQueue[int], count: int) -> str:
    return "".join(queue.pop()[0] for _ in range(count))


@pytest.mark.parametrize("cost", [QUANTUM, 1_000, 100_000])
def test_a_user_with_two_requests_does_not_wait_for_another_ones_hundred(cost: int):
    queue = filled(a=(100, cost, 1), b=(2, cost, 1))
    assert order(queue, 102) == "abab" + "a" * 98


def test_users_share_by_cost_and_not_by_number():
    queue = filled(a=(100, 4_000, 1), b=(100, 1_000, 1))
    served = Counter(order(queue, 50))
    assert served == {"a": 10, "b": 40}


@pytest.mark.parametrize("weight", [2, 3, 0.5])
def test_a_heavier_user_gets_its_multiple(weight: float):
    queue = filled(a=(100, QUANTUM, weight), b=(100, QUANTUM, 1))
    served = Counter(order(queue, 60))
    assert served["a"] / served["b"] == pytest.approx(weight, rel=0.1)


def test_one_who_comes_again_and_again_with_one_request_does_not_starve_a_patient_one():
    queue = filled(patient=(5, 1_000, 1), eager=(1, 1_000, 1))
    served = []
    for number in range(100, 110):
        user, _ = queue.pop()
        served.append(user)
        if user == "eager":
            queue.push("eager", number, 1_000, 1)
    assert served.count("patient") == 5


def test_credit_that_an_expensive_request_waited_for_is_not_spent_on_cheap_ones():
    queue = filled(b=(1_000, QUANTUM, 1))
    queue.push("a", -1, 100 * QUANTUM, 1)
    for number in range(50):
        queue.push("a", -2 - number, QUANTUM, 1)
    assert order(queue, 90) == "b" * 90
    queue.remove("a", -1)
    assert Counter(order(queue, 20)) == {"a": 10, "b": 10}


def test_a_held_user_keeps_its_requests_and_has_no_turn():
    queue = filled(a=(2, 1_000, 1), b=(1, 1_000, 1))
    queue.hold("a")
    assert order(queue, 1) == "b"
    assert not queue.ready
    with pytest.raises(IndexError):
        queue.pop()
    assert (len(queue), queue.waiting("a")) == (2, 2)
    queue.release("a")
    assert order(queue, 2) == "aa"


def test_new_weights_hold_for_those_who_wait_already():
    queue = filled(a=(100, QUANTUM, 1), b=(100, QUANTUM, 1))
    queue.reweigh({"a": 4.0, "b": 1.0}.__getitem__)
    assert Counter(order(queue, 50)) == {"a": 40, "b": 10}


def test_what_left_is_forgotten_however_often_it_comes_and_goes():
    queue = filled(a=(1, 1_000, 1), b=(1, 1_000, 1))
    for number in range(10, 10_000):
        queue.push("a", number, 50, 1)
        queue.push(f"c{number}", number, 50, 1)
        queue.remove("a", number - 1 if number > 10 else 0)
        queue.remove(f"c{number}", number)
    assert queue.users() == ("a", "b")
    assert len(queue._ring) < 100


USERS = st.sampled_from("abcd")
WEIGHTS = {"a": 1.0, "b": 1.0, "c": 2.5, "d": 0.25}
STEPS = st.one_of(
    st.tuples(st.just("push"), USERS, st.integers(1, 5_000)),
    st.tuples(st.just("pop"), USERS, st.just(0)),
    st.tuples(st.just("pop"), USERS, st.just(0)),
    st.tuples(st.just("remove"), USERS, st.integers(0, 20)),
    st.tuples(st.just("hold"), USERS, st.just(0)),
    st.tuples(st.just("release"), USERS, st.just(0)),
)


@dataclass
class Model:
    """What each user has waiting, and what the others were served since its head began to wait."""

    items: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    overtaken: dict[str, Counter[str]] = field(default_factory=dict)
    most: Counter[str] = field(default_factory=Counter)

    def began(self, user: str) -> None:
        self.overtaken[user] = Counter()

    def may_overtake(self, other: str, user: str, cost: int) -> int:
        """The bound that fair_queue promises."""
        rounds = -(-cost // round(QUANTUM * WEIGHTS[user]))
        return self.most[other] + (rounds + 1) * round(QUANTUM * WEIGHTS[other])


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=120))
def test_whatever_comes_and_goes_nothing_is_lost_and_overtaking_is_bounded(
    steps: list[tuple[str, str, int]],
):
    queue: FairQueue[int] = FairQueue()
    model = Model()

    def pop() -> None:
        turns = {user for user, items in model.items.items() if items and user not in model.held}
        assert queue.ready == bool(turns)
        if not turns:
            return
        user, item = queue.pop()
        assert user in turns
        expected, cost = model.items[user].popleft()
        assert item == expected
        for other in turns - {user}:
            model.overtaken[other][user] += cost
            head_cost = model.items[other][0][1]
            assert model.overtaken[other][user] < model.may_overtake(user, other, head_cost)
        model.began(user)

    for number, (step, user, value) in enumerate(steps):
        waiting = model.items.setdefault(user, deque())
        if step == "push":
            if not waiting:
                model.began(user)
            queue.push(user, number, value, WEIGHTS[user], held=user in model.held)
            waiting.append((number, value))
            model.most[user] = max(model.most[user], value)
        elif step == "pop":
            pop()
        elif step == "remove" and value < len(waiting):
            queue.remove(user, waiting[value][0])
            del waiting[value]
            if value == 0:
                model.began(user)
        elif step == "hold" and user not in model.held:
            queue.hold(user)
            model.held.add(user)
        elif step == "release" and user in model.held:
            queue.release(user)
            model.held.discard(user)
            model.began(user)
        assert len(queue) == sum(map(len, model.items.values()))
        assert queue.waiting(user) == len(model.items[user])
    for user in tuple(model.held):
        queue.release(user)
        model.held.discard(user)
        model.began(user)
    while any(model.items.values()):
        pop()
    assert len(queue) == 0
    assert not queue.users()

"""Places for requests: bounded, fair, handed on at once, and never lost."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backend_adapter.errors import QueueFullError, QueueTimeoutError
from backend_adapter.routing.admission import Admission, AdmissionLimits, limits_for
from backend_adapter.settings import AdapterSettings

DEADLINE_S = 20


def limits(**given: Any) -> AdmissionLimits:
    generous = {
        "max_concurrent": 1,
        "max_queued": 1_000,
        "max_concurrent_per_user": 1_000,
        "max_queued_per_user": 1_000,
        "queue_timeout_s": DEADLINE_S,
    }
    return AdmissionLimits(**{**generous, **given})


@dataclass(eq=False)
class Request:
    """One who asks for a place and holds it until told to leave."""

    user: str
    cost: int
    background: bool
    task: "asyncio.Task[None]"
    may_leave: asyncio.Event
    has_place: bool = False

    async def leave(self) -> None:
        self.may_leave.set()
        await asyncio.wait_for(self.task, DEADLINE_S)


@dataclass
class Crowd:
    """Requests of one admission, and the order in which they got their places."""

    admission: Admission
    admitted: list[Request] = field(default_factory=list)

    async def arrive(self, user: str, cost: int = 500, *, background: bool = False) -> Request:
        """A request that has its place, waits or was refused when this returns."""
        request: Request

        async def run() -> None:
            async with self.admission.place(user, cost=cost, background=background):
                request.has_place = True
                self.admitted.append(request)
                try:
                    await request.may_leave.wait()
                finally:
                    request.has_place = False

        request = Request(user, cost, background, asyncio.create_task(run()), asyncio.Event())
        await turns()
        return request

    async def order(self) -> str:
        """Let everybody leave as soon as admitted; the users in the order of admission."""
        before = len(self.admitted)
        while self.admission.running:
            for request in self.admitted:
                request.may_leave.set()
            await turns()
        return "".join(request.user for request in self.admitted[before:])


async def turns() -> None:
    """Let every task go on until it waits for something that is not there yet."""
    for _ in range(6):
        await asyncio.sleep(0)


async def test_a_user_with_two_requests_does_not_wait_for_another_ones_hundred():
    crowd = Crowd(Admission(limits()))
    await crowd.arrive("x")
    for user, count in (("a", 100), ("b", 2)):
        for _ in range(count):
            await crowd.arrive(user)
    assert crowd.admission.queued == {"chat": 102, "background": 0}
    assert await crowd.order() == "abab" + "a" * 98


async def test_places_are_shared_by_cost_and_weight():
    crowd = Crowd(Admission(limits(weights={"a": 2.0})))
    await crowd.arrive("x")
    for _ in range(60):
        await crowd.arrive("a", 1_024)
        await crowd.arrive("b", 256)
    assert Counter((await crowd.order())[:60]) == {"a": 20, "b": 40}


async def test_background_tasks_wait_behind_all_chats():
    crowd = Crowd(Admission(limits()))
    await crowd.arrive("x")
    for user in "tu":
        await crowd.arrive(user, background=True)
    for user in "ab":
        await crowd.arrive(user)
    assert crowd.admission.queued == {"chat": 2, "background": 2}
    assert await crowd.order() == "abtu"


async def test_a_queue_full_of_background_tasks_refuses_no_chat():
    crowd = Crowd(Admission(limits(max_queued=1)))
    await crowd.arrive("x")
    await crowd.arrive("t", background=True)
    refused = await crowd.arrive("u", background=True)
    assert isinstance(refused.task.exception(), QueueFullError)
    assert not (await crowd.arrive("a")).task.done()


async def test_one_user_has_no_more_places_than_its_own_limit():
    crowd = Crowd(Admission(limits(max_concurrent=3, max_concurrent_per_user=2)))
    first, second, third = [await crowd.arrive("a") for _ in range(3)]
    assert (first.has_place, second.has_place, third.has_place) == (True, True, False)
    other = await crowd.arrive("b")
    assert other.has_place
    await other.leave()
    assert not third.has_place
    await first.leave()
    await turns()
    assert third.has_place


async def test_a_chat_counts_when_a_background_task_of_the_same_user_waits():
    crowd = Crowd(Admission(limits(max_concurrent=2, max_concurrent_per_user=1)))
    holders = [await crowd.arrive(user) for user in "xy"]
    task = await crowd.arrive("a", background=True)
    chat = await crowd.arrive("a")
    for holder in holders:
        await holder.leave()
    await turns()
    assert (chat.has_place, task.has_place) == (True, False)
    await chat.leave()
    await turns()
    assert task.has_place


async def test_a_full_queue_is_said_so_with_when_to_come_again():
    crowd = Crowd(Admission(limits(max_queued=1)))
    await crowd.arrive("x")
    await crowd.arrive("a")
    refused = (await crowd.arrive("b")).task.exception()
    assert isinstance(refused, QueueFullError)
    assert (refused.status, refused.type, refused.code) == (429, "rate_limit_error", "queue_full")
    assert refused.retry_after_s == 60  # nothing has ended yet, so nobody knows
    assert "60 s" in refused.remedy


async def test_when_to_come_again_follows_the_rate_of_completions():
    crowd = Crowd(Admission(limits(max_queued=1)))
    for _ in range(20):
        await (await crowd.arrive("x")).leave()
    await crowd.arrive("x")
    await crowd.arrive("a")
    refused = (await crowd.arrive("b")).task.exception()
    assert isinstance(refused, QueueFullError)
    assert refused.retry_after_s == 1


async def test_one_user_cannot_fill_the_queue():
    crowd = Crowd(Admission(limits(max_queued_per_user=2)))
    await crowd.arrive("x")
    waiting = [await crowd.arrive("a") for _ in range(3)]
    assert isinstance(waiting[2].task.exception(), QueueFullError)
    assert not (await crowd.arrive("b")).task.done()


async def test_who_waits_too_long_is_refused_and_leaves_the_queue():
    crowd = Crowd(Admission(limits(queue_timeout_s=0.01)))
    holder = await crowd.arrive("x")
    waiting = await crowd.arrive("a")
    with pytest.raises(QueueTimeoutError) as refused:
        await asyncio.wait_for(waiting.task, DEADLINE_S)
    assert (refused.value.status, refused.value.code) == (429, "queue_timeout")
    assert "0.01 s" in refused.value.message
    assert crowd.admission.queued["chat"] == 0
    await holder.leave()
    assert crowd.admission.running == 0


async def test_a_place_is_handed_on_before_its_holder_does_anything_else():
    admission = Admission(limits())
    place = admission.place("a", cost=1)
    await place.__aenter__()
    waiting = await Crowd(admission).arrive("b")
    await place.__aexit__(None, None, None)
    assert (admission.running, admission.queued["chat"]) == (1, 0)
    await turns()
    assert waiting.has_place


async def test_a_place_is_freed_when_its_holder_fails():
    admission = Admission(limits())
    with suppress(ZeroDivisionError):
        async with admission.place("a", cost=1):
            raise ZeroDivisionError
    assert admission.running == 0


async def test_who_leaves_while_waiting_makes_room_at_once():
    crowd = Crowd(Admission(limits(max_queued=1)))
    await crowd.arrive("x")
    waiting = await crowd.arrive("a")
    waiting.task.cancel()
    await asyncio.wait((waiting.task,))
    assert crowd.admission.queued["chat"] == 0
    assert not (await crowd.arrive("b")).task.done()


@pytest.mark.parametrize("cancelled", ["before the place is free", "with the place given to it"])
async def test_a_place_meant_for_one_who_just_left_goes_to_the_next(cancelled: str):
    crowd = Crowd(Admission(limits()))
    place = crowd.admission.place("x", cost=1)
    await place.__aenter__()
    waiting, third = await crowd.arrive("a"), await crowd.arrive("b")
    # Both in one turn of the loop: whoever is cancelled has not been able to notice yet.
    if cancelled == "before the place is free":
        waiting.task.cancel()
        await place.__aexit__(None, None, None)
    else:
        await place.__aexit__(None, None, None)
        waiting.task.cancel()
    await turns()
    assert waiting.task.cancelled()
    assert third.has_place
    await third.leave()
    assert (crowd.admission.running, crowd.admission.queued["chat"]) == (0, 0)


async def test_higher_limits_let_waiters_in_at_once():
    crowd = Crowd(Admission(limits(max_concurrent=4, max_concurrent_per_user=1)))
    waiting = [await crowd.arrive("a") for _ in range(4)]
    crowd.admission.apply(limits(max_concurrent=3))
    await turns()
    assert [request.has_place for request in waiting] == [True, True, True, False]


async def test_lower_limits_drop_nobody():
    crowd = Crowd(Admission(limits(max_concurrent=3)))
    running = [await crowd.arrive("a") for _ in range(3)]
    waiting = [await crowd.arrive("b") for _ in range(3)]
    crowd.admission.apply(limits(max_concurrent=1, max_queued=1, max_queued_per_user=1))
    assert (crowd.admission.running, crowd.admission.queued["chat"]) == (3, 3)
    await running[0].leave()
    await running[1].leave()
    assert not any(request.has_place for request in waiting)
    await running[2].leave()
    await turns()
    assert [request.has_place for request in waiting] == [True, False, False]


async def test_a_user_above_a_lowered_limit_waits_until_it_is_below():
    crowd = Crowd(Admission(limits(max_concurrent=4)))
    running = [await crowd.arrive("a") for _ in range(4)]
    waiting = await crowd.arrive("a")
    crowd.admission.apply(limits(max_concurrent=4, max_concurrent_per_user=2))
    for request in running[:2]:
        await request.leave()
    assert not waiting.has_place
    await running[2].leave()
    await turns()
    assert waiting.has_place


async def test_nothing_is_kept_of_users_who_are_gone():
    crowd = Crowd(Admission(limits(max_concurrent=2, max_concurrent_per_user=1)))
    for number in range(50):
        await crowd.arrive(f"user {number}")
        await crowd.arrive(f"user {number}", background=True)
    await crowd.order()
    admission = crowd.admission
    assert not admission._running_of
    assert not admission._chats.users() and not admission._background.users()


USERS = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("arrive"), USERS, st.integers(1, 4_000), st.booleans()),
    st.tuples(st.just("arrive"), USERS, st.integers(1, 4_000), st.just(False)),
    st.tuples(st.just("leave"), st.integers(0, 30)),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("cancel and leave"), st.integers(0, 30), st.integers(0, 30)),
    st.tuples(st.just("apply"), st.integers(1, 5), st.integers(1, 4), st.integers(0, 9)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=50))
def test_whatever_happens_limits_hold_and_nobody_is_lost(steps: list[tuple[Any, ...]]):
    asyncio.run(scenario(steps))


async def scenario(steps: list[tuple[Any, ...]]) -> None:
    in_force = limits(max_concurrent=2, max_concurrent_per_user=2, max_queued=6)
    crowd = Crowd(Admission(in_force))
    everybody: list[Request] = []

    def alive() -> list[Request]:
        return [request for request in everybody if not request.task.done()]

    def check(before: list[Request]) -> None:
        running = [request for request in alive() if request.has_place]
        waiting = [request for request in alive() if not request.has_place]
        assert crowd.admission.running == len(running)
        assert crowd.admission.queued == {
            "chat": sum(not request.background for request in waiting),
            "background": sum(request.background for request in waiting),
        }
        of_user = Counter(request.user for request in running)
        own = in_force.max_concurrent_per_user
        new = [request for request in running if request not in before]
        if new:  # who runs from before a limit was lowered may stay; nobody is added above it
            assert len(running) <= in_force.max_concurrent
            assert all(of_user[request.user] <= own for request in new)
        could_run = [request for request in waiting if of_user[request.user] < own]
        assert len(running) >= in_force.max_concurrent or not could_run
        for request in running:  # within one user and priority, first come, first served
            place = everybody.index(request)
            assert not any(
                (other.user, other.background) == (request.user, request.background)
                for other in waiting
                if everybody.index(other) < place
            )

    for step, *values in steps:
        running = [request for request in alive() if request.has_place]
        waiting = [request for request in alive() if not request.has_place]
        before = list(running)
        if step == "arrive":
            user, cost, background = values
            request = await crowd.arrive(user, cost, background=background)
            everybody.append(request)
            if request.task.done():
                assert isinstance(request.task.exception(), QueueFullError)
                same = [each for each in waiting if each.background == background]
                assert len(same) >= in_force.max_queued
        elif step == "leave" and values[0] < len(running):
            running[values[0]].may_leave.set()
        elif step == "cancel" and values[0] < len(alive()):
            alive()[values[0]].task.cancel()
        elif step == "cancel and leave" and running and waiting:
            # In one turn of the loop, so that a place may be on its way to the one who goes.
            running[values[1] % len(running)].may_leave.set()
            waiting[values[0] % len(waiting)].task.cancel()
        elif step == "apply":
            concurrent, own, queued = values
            in_force = limits(
                max_concurrent=concurrent, max_concurrent_per_user=own, max_queued=queued
            )
            crowd.admission.apply(in_force)
        await turns()
        check(before)
    await crowd.order()
    for request in everybody:
        assert request.task.done()
        admitted = crowd.admitted.count(request)
        refused = request.task.cancelled() or request.task.exception() is not None
        assert admitted == 1 or (refused and admitted == 0)
    assert crowd.admission.queued == {"chat": 0, "background": 0}


def test_a_model_has_its_own_limits_where_they_are_set():
    configured = AdapterSettings(
        admission={"max_concurrent": 8, "max_queued": 9, "weights": {"anna@town.example": 2}},
        models=[{"id": "large", "max_concurrent": 2}, {"id": "busy", "max_queued": 0}],
        clients=[{"name": "batch", "api_key": "batch-key", "weight": 0.5}],
    )
    large, busy = limits_for(configured, "large"), limits_for(configured, "busy")
    assert (large.max_concurrent, large.max_queued) == (2, 9)
    assert (busy.max_concurrent, busy.max_queued) == (8, 0)
    assert [large.weight(user) for user in ("anna@town.example", "batch", "eve")] == [2, 0.5, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"admission": {"max_concurrent": 0}},
        {"admission": {"queue_timeout_s": 0}},
        {"admission": {"weights": {"anna": 0}}},
        {"models": [{"id": "a", "max_queued": -1}]},
    ],
)
def test_limits_that_would_admit_nobody_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        AdapterSettings(**wrong)

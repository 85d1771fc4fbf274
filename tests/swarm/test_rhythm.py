"""How long a round waits for the steps of other conversations."""

import gc

import pytest

from backend_adapter.petals.node.rhythm import Rhythm

_ROUND_S = 0.01


class Session:
    """Whatever stands for one."""


def sessions(count: int) -> list[Session]:
    return [Session() for _ in range(count)]


def steady(offsets: list[float], interval: float = 0.1) -> tuple[Rhythm, list[Session]]:
    """Sessions whose steps come each `interval`, for the last time at their offset and next an interval later."""
    rhythm, caches = Rhythm(), sessions(len(offsets))
    for number in range(-5, 1):
        for cache, offset in zip(caches, offsets, strict=True):
            rhythm.came(cache, offset + number * interval)
    rhythm.computed(_ROUND_S)
    return rhythm, caches


def test_a_conversation_that_is_alone_is_never_waited_beside() -> None:
    rhythm, [own] = steady([0.0])
    rhythm.came(own, 0.1)
    assert rhythm.patience_s([own], 1, 0.1, 0.1) == 0


@pytest.mark.parametrize(
    ("offset", "waits"),
    [
        (0.015, True),  # in a round and a half
        (0.03, False),  # in three rounds
        (-0.005, True),  # half a round late
        (-0.03, False),  # three rounds late
    ],
)
def test_a_round_waits_for_what_is_due_in_two_rounds(offset: float, waits: bool) -> None:
    rhythm, [own, *_] = steady([0.0, offset, 0.05, 0.06])
    rhythm.came(own, 0.1)
    assert (rhythm.patience_s([own], 1, 0.1, 0.1) > 0) is waits


def test_it_waits_less_the_longer_it_has_waited_and_at_last_no_more() -> None:
    rhythm, [own, *_] = steady([0.0, 0.015, 0.05, 0.06])
    assert rhythm.patience_s([own], 1, 0.1, 0.105) == pytest.approx(0.015)
    assert rhythm.patience_s([own], 1, 0.1, 0.121) == 0


def test_a_long_round_is_no_reason_to_wait_for_long() -> None:
    rhythm, [own, *_] = steady([0.0, 0.04, 0.5, 0.6], interval=1.0)
    rhythm.computed(10.0)
    assert rhythm.patience_s([own], 1, 1.0, 1.0) == pytest.approx(0.05)


def test_a_prefill_waits_for_nobody() -> None:
    rhythm, [own, *_] = steady([0.0, 0.015, 0.05, 0.06])
    assert rhythm.patience_s([own], 32, 0.1, 0.1) > 0
    assert rhythm.patience_s([own], 33, 0.1, 0.1) == 0


def test_half_of_the_conversations_are_enough() -> None:
    rhythm, caches = steady([0.0, 0.0, 0.01, 0.01])
    for cache in caches[:2]:
        rhythm.came(cache, 0.1)
    assert rhythm.patience_s(caches[:1], 1, 0.1, 0.1) > 0
    assert rhythm.patience_s(caches[:2], 2, 0.1, 0.1) == 0


def test_one_that_has_ended_is_not_waited_for() -> None:
    rhythm, caches = steady([0.0, 0.015, 0.05, 0.06])
    own = caches[0]
    del caches[1:]
    gc.collect()
    assert rhythm.patience_s([own], 1, 0.1, 0.1) == 0


def test_one_that_says_nothing_any_more_does_not_count_among_the_half() -> None:
    rhythm, caches = steady([0.0, 0.01])
    silent = sessions(6)
    for cache in silent:
        rhythm.came(cache, -2.0)
    rhythm.came(caches[0], 0.1)
    assert rhythm.patience_s(caches[:1], 1, 0.1, 0.1) == 0


def test_the_pause_between_two_turns_is_no_interval() -> None:
    rhythm, [own, other, *_] = steady([0.0, 0.015, 0.05, 0.06])
    for begin, session in ((60.0, own), (60.015, other)):
        for number in range(3):
            rhythm.came(session, begin + 0.1 * number)
    third = sessions(1)
    rhythm.came(third[0], 60.25)
    rhythm.came(own, 60.3)
    assert rhythm.patience_s([own], 1, 60.3, 60.3) > 0

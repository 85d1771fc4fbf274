"""What a client has seen of a conversation's hidden states is what it gets back."""

import asyncio

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.petals.swarm.known import Known


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=12), st.integers(0, 3))
def test_it_is_like_a_list_that_is_cut_and_added_to(
    steps: list[tuple[bool, int]], begin: int
) -> None:
    known, like, number = Known(begin), [], 0.0
    for add, count in steps:
        if add:
            states = torch.arange(number, number + count).reshape(count, 1)
            known.add(states)
            like += states.flatten().tolist()
            number += count
        else:
            known.cut(max(begin, known.end - count))
            del like[len(like) - min(count, len(like)) :]
        assert known.end == begin + len(like)
        for low in range(len(like)):
            got = known.take(begin + low, known.end)
            assert got.flatten().tolist() == like[low:]
        if len(like) > 2:
            assert known.take(begin + 1, known.end - 1).flatten().tolist() == like[1:-1]


def test_a_cut_before_its_begin_moves_the_begin() -> None:
    known = Known(5)
    known.add(torch.ones(3, 2))
    known.cut(2)
    assert (known.begin, known.end) == (2, 2)
    with pytest.raises(IndexError):
        known.take(1, 2)


async def test_more_can_be_waited_for() -> None:
    known = Known()
    waiting = asyncio.create_task(known.beyond(0))
    await asyncio.sleep(0)
    assert not waiting.done()
    known.add(torch.ones(2, 2))
    assert await asyncio.wait_for(waiting, 5) == 2

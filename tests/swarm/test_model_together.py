"""Rows of several threads in one matrix: each gets its own, and its own fault."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from backend_adapter.petals.model.together import Together


def test_threads_that_wait_are_computed_as_one_and_get_their_own_rows() -> None:
    first_in, others_wait = threading.Event(), threading.Event()
    batches = list[int]()

    def compute(rows: torch.Tensor) -> torch.Tensor:
        batches.append(rows.shape[0])
        first_in.set()
        assert others_wait.wait(10)
        return rows * 2

    together = Together(compute)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together, torch.zeros(1, 3))
        assert first_in.wait(10)
        rest = [pool.submit(together, torch.full((number, 3), number)) for number in range(1, 8)]
        while len(together._waiting) < 7:
            pass
        others_wait.set()
        assert torch.equal(first.result(), torch.zeros(1, 3))
        for number, each in enumerate(rest, 1):
            assert torch.equal(each.result(), torch.full((number, 3), 2 * number))
    assert batches == [1, 28]


def test_a_fault_is_raised_where_it_was_asked_and_the_next_one_is_computed() -> None:
    together = Together(lambda rows: rows @ torch.eye(3))
    with pytest.raises(RuntimeError):
        together(torch.zeros(1, 4))
    assert torch.equal(together(torch.ones(2, 3)), torch.ones(2, 3))

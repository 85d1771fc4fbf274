"""Of several nodes that compute the same, the one that differs is found."""

import torch

from backend_adapter.petals.spans import Span
from backend_adapter.petals.swarm.audit import contradicted, shared

RIGHT = torch.randn(1, 4, 16, generator=torch.Generator().manual_seed(1))
NEARLY = RIGHT + 0.001
WRONG = RIGHT + 1
BROKEN = RIGHT * float("nan")


def test_the_minority_is_wrong() -> None:
    assert contradicted({"a": RIGHT, "b": WRONG, "c": NEARLY}) == (["b"], [])


def test_one_against_one_is_undecided() -> None:
    assert contradicted({"a": RIGHT, "b": WRONG}) == ([], ["a", "b"])


def test_what_is_no_number_is_wrong_even_alone() -> None:
    assert contradicted({"a": BROKEN, "b": BROKEN, "c": RIGHT}) == (["a", "b"], [])


def test_another_shape_is_wrong() -> None:
    assert contradicted({"a": RIGHT, "b": RIGHT[:, :3], "c": NEARLY}) == (["b"], [])


def test_ranges_are_those_that_more_than_one_serves() -> None:
    a, b, c = Span("a", 0, 4), Span("b", 2, 6), Span("c", 3, 5)
    assert shared([a, b, c]) == [(2, 3, [a, b]), (3, 4, [a, b, c]), (4, 5, [b, c])]
    assert shared([a]) == []

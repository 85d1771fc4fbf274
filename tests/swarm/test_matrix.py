"""A product is the same number whichever way it is computed, and no weight is rounded for it."""

import pytest
import torch
from torch.nn.functional import linear

from backend_adapter.petals.matrix import Matrix


def numbers(*size: int, seed: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
    drawn = torch.randn(*size, generator=torch.Generator().manual_seed(seed))
    return drawn.to(kind).float()


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 8, 9, 40])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_it_is_what_a_linear_layer_gives(tokens: int, biased: bool, kind: torch.dtype) -> None:
    states, weight = numbers(tokens, 64, seed=tokens), numbers(96, 64, seed=1, kind=kind)
    bias = numbers(96, seed=2) if biased else None
    matrix = Matrix(weight, bias)
    assert matrix.shape == (96, 64)
    torch.testing.assert_close(matrix(states), linear(states, weight, bias), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "scale", "halved"),
    [
        (torch.float16, 1.0, True),
        (torch.bfloat16, 0.02, True),
        # Smaller than float16's normal numbers.
        (torch.bfloat16, 1e-5, False),
        (torch.float32, 0.02, False),
        # Larger than float16's largest.
        (torch.bfloat16, 1e5, False),
    ],
)
def test_only_what_loses_nothing_is_kept_in_half_the_room(
    kind: torch.dtype, scale: float, halved: bool
) -> None:
    weight = (numbers(96, 64, seed=1) * scale).to(kind).float()
    matrix = Matrix(weight)
    assert matrix.halved is halved
    states = numbers(4, 64, seed=3)
    torch.testing.assert_close(matrix(states), linear(states, weight), atol=1e-4 * scale, rtol=1e-4)


def test_another_format_or_device_is_left_as_it_is() -> None:
    weight = numbers(8, 4, seed=1, kind=torch.float16)
    assert not Matrix(weight.to(torch.bfloat16)).halved
    assert not Matrix(weight.to("meta")).halved

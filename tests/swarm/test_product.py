"""A product is the same number whichever way it is computed."""

import pytest
import torch
from torch.nn.functional import linear

from backend_adapter.petals.product import product


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("tokens", [0, 1, 2, 3, 8, 9, 40])
def test_it_is_what_a_linear_layer_gives(tokens: int, biased: bool) -> None:
    random = torch.Generator().manual_seed(tokens)
    states = torch.randn(tokens, 64, generator=random)
    weight = torch.randn(96, 64, generator=random)
    bias = torch.randn(96, generator=random) if biased else None
    torch.testing.assert_close(product(states, weight, bias), linear(states, weight, bias))

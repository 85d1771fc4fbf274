"""Hidden states times a layer's matrix."""

import torch
from torch.nn.functional import linear

# For so many rows, the BLAS of PyTorch's CPU build is up to twice as fast when the weights come first: the other
# way round it copies them into another order first.
_FEW = range(2, 9)


def product(
    states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """`states` [tokens, in] times the transposed `weight` [out, in], plus `bias` [out]."""
    if states.shape[0] in _FEW and weight.device.type == "cpu":
        # Both in the order of rows: in that of columns the next product would be the slowest of all.
        outputs = (weight @ states.contiguous().t()).t().contiguous()
        return outputs if bias is None else outputs + bias
    return linear(states, weight, bias)

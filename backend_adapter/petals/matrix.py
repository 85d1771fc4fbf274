"""A model's matrices, as a processor or a GPU multiplies hidden states by them fastest."""

import torch
from torch.nn.functional import linear

# For so many rows, the BLAS of PyTorch's CPU build is up to twice as fast when the weights come first: the other
# way round it copies them into another order first.
_FEW = range(2, 9)
# What a row of weights may change by in float16, as a share of its length: less than float32's own rounding makes
# of a product. Weights in bfloat16 change only where they are below float16's smallest normal number, 2**-14.
_AS_GOOD = 2.0**-22
# Rows that are looked at together: a head has a hundred thousand, and each look takes twice their room.
_ROWS = 4096


class Matrix:
    """Multiplies states [tokens, in] by the transposed `weight` [out, in], and adds `bias` [out].

    On a processor, float32 weights that lose nothing in float16 are kept in it: there the time goes into reading
    them. Products and sums stay float32.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.shape: tuple[int, int] = (weight.shape[0], weight.shape[1])
        self.halved = _fits_half(weight)
        if self.halved:
            self._packed = torch.ops.quantized.linear_prepack_fp16(weight, bias)
        else:
            self._weight, self._bias = weight, bias

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        """The products [tokens, out]."""
        if self.halved:
            made: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(states, self._packed)
            return made
        if states.shape[0] in _FEW and self._weight.device.type == "cpu":
            # Both in the order of rows: in that of columns the next product would be the slowest of all.
            made = (self._weight @ states.contiguous().t()).t().contiguous()
            return made if self._bias is None else made + self._bias
        return linear(states, self._weight, self._bias)


def _fits_half(weight: torch.Tensor) -> bool:
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return False
    # FBGEMM has the kernels, on x86 only.
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return False
    return all(map(_as_good, weight.split(_ROWS)))


def _as_good(rows: torch.Tensor) -> bool:
    changed = (rows.half().float() - rows).norm(dim=1)
    return bool((changed <= _AS_GOOD * rows.norm(dim=1)).all())

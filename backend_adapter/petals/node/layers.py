"""The layers of a Llama-like model, computed for many sessions at once.

All tokens of all sessions go through norms, projections and MLP as one matrix, because a processor spends its time
on reading weights: eight tokens cost little more than one. Only the attention is each session's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from backend_adapter.petals.errors import WeightsError
from backend_adapter.petals.matrix import Matrix
from backend_adapter.petals.shape import Shape, inverse_frequencies
from backend_adapter.petals.tensors import read_tensors

_NAMES = {
    "before": "input_layernorm.weight",
    "q": "self_attn.q_proj.weight",
    "k": "self_attn.k_proj.weight",
    "v": "self_attn.v_proj.weight",
    "o": "self_attn.o_proj.weight",
    "after": "post_attention_layernorm.weight",
    "gate": "mlp.gate_proj.weight",
    "up": "mlp.up_proj.weight",
    "down": "mlp.down_proj.weight",
}
_BIASES = {"q": "self_attn.q_proj.bias", "k": "self_attn.k_proj.bias", "v": "self_attn.v_proj.bias"}
_NORMS = {"q": "self_attn.q_norm.weight", "k": "self_attn.k_norm.weight"}


class Cache:
    """Keys and values of one session in some layers: each [layers, kv_heads, tokens, head_width]."""

    def __init__(
        self, shape: Shape, layers: int, tokens: int, dtype: torch.dtype, device: str
    ) -> None:
        size = (layers, shape.kv_heads, tokens, shape.head_width)
        self.keys = torch.empty(size, dtype=dtype, device=device)
        self.values = torch.empty(size, dtype=dtype, device=device)


@dataclass(frozen=True)
class Segment:
    """Tokens of one session in a batch: `count` of them, the first at position `start`."""

    cache: Cache
    start: int
    count: int


class Layer:
    """The weights of one layer; queries, keys and values are one matrix, so are gate and up."""

    def __init__(
        self, directory: Path, index: int, shape: Shape, dtype: torch.dtype, device: str
    ) -> None:
        """Raises WeightsError where something is missing."""
        head = f"model.layers.{index}."
        names = [*_NAMES.values(), *_BIASES.values(), *_NORMS.values()]
        read = read_tensors(directory, (head + name for name in names), dtype)
        missing = [name for name in _NAMES.values() if head + name not in read]
        if missing:
            raise WeightsError(
                f"The model in {directory} has no {head}{missing[0]}.",
                "Name a complete model's directory.",
            )

        def take(name: str) -> torch.Tensor:
            return read[head + name].to(device)

        self.before, self.after = take(_NAMES["before"]), take(_NAMES["after"])
        bias = (
            torch.cat([take(_BIASES[each]) for each in "qkv"])
            if head + _BIASES["q"] in read
            else None
        )
        self.qkv = Matrix(torch.cat([take(_NAMES[each]) for each in "qkv"]), bias)
        self.out = Matrix(take(_NAMES["o"]))
        self.gate_up = Matrix(torch.cat([take(_NAMES["gate"]), take(_NAMES["up"])]))
        self.down = Matrix(take(_NAMES["down"]))
        self.q_norm = take(_NORMS["q"]) if head + _NORMS["q"] in read else None
        self.k_norm = take(_NORMS["k"]) if head + _NORMS["k"] in read else None


class Rotary:
    """Cosines and sines of every position's angles, for as many positions as were asked for yet.

    A head's halves are the two coordinates that are turned, so the first half's sines are negative.
    """

    def __init__(self, shape: Shape, dtype: torch.dtype, device: str) -> None:
        self._frequencies = torch.tensor(inverse_frequencies(shape), dtype=torch.float64)
        self._dtype, self._device = dtype, device
        self._grow(256)

    def _grow(self, positions: int) -> None:
        angles = torch.outer(torch.arange(positions, dtype=torch.float64), self._frequencies)
        cos, sin = angles.cos(), angles.sin()
        self._cos = torch.cat([cos, cos], dim=-1).to(self._dtype).to(self._device)
        self._sin = torch.cat([-sin, sin], dim=-1).to(self._dtype).to(self._device)

    def at(self, positions: torch.Tensor, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and signed sines [tokens, 1, head_width] at `positions`, of which `last` is the largest."""
        while last >= self._cos.shape[0]:
            self._grow(2 * self._cos.shape[0])
        return self._cos[positions, None], self._sin[positions, None]


class Layers:
    """The layers [start, end) of a model; `run` computes some of them for a batch of sessions."""

    def __init__(self, shape: Shape, start: int, layers: Sequence[Layer], rotary: Rotary) -> None:
        self.shape = shape
        self.start = start
        self.end = start + len(layers)
        self._layers = layers
        self._rotary = rotary

    @torch.inference_mode()
    def run(
        self, states: torch.Tensor, segments: Sequence[Segment], first: int, last: int
    ) -> torch.Tensor:
        """Hidden states after the layers [first, last) of `states` [tokens, width], segment after segment.

        Each segment's keys and values are written into its cache, whose first layer is `first`; what is there
        beyond its last token is not looked at.
        """
        device = states.device
        positions = torch.cat(
            [torch.arange(each.start, each.start + each.count, device=device) for each in segments]
        )
        turn = self._rotary.at(positions, max(each.start + each.count for each in segments) - 1)
        masks = [_mask(each, device) for each in segments]
        for index in range(first, last):
            layer = self._layers[index - self.start]
            states = states + self._attention(layer, states, segments, masks, index - first, turn)
            gate, up = layer.gate_up(self._normed(states, layer.after)).chunk(2, dim=-1)
            states = states + layer.down(silu(gate) * up)
        return states

    def _attention(
        self,
        layer: Layer,
        states: torch.Tensor,
        segments: Sequence[Segment],
        masks: Sequence[torch.Tensor | None],
        place: int,
        turn: tuple[torch.Tensor, torch.Tensor],
    ) -> torch.Tensor:
        shape, tokens = self.shape, states.shape[0]
        mixed = layer.qkv(self._normed(states, layer.before))
        heads = mixed.reshape(tokens, -1, shape.head_width)
        still, value = heads.split([shape.heads + shape.kv_heads, shape.kv_heads], dim=1)
        if layer.q_norm is not None and layer.k_norm is not None:
            query, key = still.split([shape.heads, shape.kv_heads], dim=1)
            still = torch.cat(
                [self._normed(query, layer.q_norm), self._normed(key, layer.k_norm)], dim=1
            )
        cos, sin = turn
        turned = still * cos + still.roll(shape.head_width // 2, dims=-1) * sin
        query, key = turned.split([shape.heads, shape.kv_heads], dim=1)
        outputs, begin = [], 0
        for segment, mask in zip(segments, masks, strict=True):
            here, end = slice(begin, begin + segment.count), segment.start + segment.count
            keys, values = segment.cache.keys[place], segment.cache.values[place]
            keys[:, segment.start : end] = key[here].transpose(0, 1)
            values[:, segment.start : end] = value[here].transpose(0, 1)
            outputs.append(_attended(query[here], keys[:, :end], values[:, :end], mask))
            begin = here.stop
        attended = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return layer.out(attended.reshape(tokens, -1))

    def _normed(self, states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Zhang, Sennrich, "Root Mean Square Layer Normalization" (2019)."""
        return rms_norm(states, weight.shape, weight, self.shape.eps)


def _attended(
    query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Of each token's heads [tokens, heads, head_width], what they find in [kv_heads, positions, head_width]."""
    if mask is None:
        # A single token, which looks at everything: the heads that share keys are as good as tokens, and no key is
        # repeated.
        grouped = query.reshape(1, keys.shape[0], -1, query.shape[-1])
        return scaled_dot_product_attention(grouped, keys[None], values[None]).reshape(query.shape)
    return scaled_dot_product_attention(
        query.transpose(0, 1)[None], keys[None], values[None], attn_mask=mask, enable_gqa=True
    )[0].transpose(0, 1)


def _mask(segment: Segment, device: torch.device) -> torch.Tensor | None:
    """Which positions each of a segment's tokens looks at [count, start + count]; None for all of them."""
    if segment.count == 1:
        return None
    ones = torch.ones(segment.count, segment.start + segment.count, dtype=torch.bool, device=device)
    return ones.tril(diagonal=segment.start)

"""The layers of a Llama-like model, computed for many sessions at once.

All tokens of all sessions go through norms, projections and MLP as one matrix, because a processor spends its time
on reading weights: eight tokens cost little more than one. Only the attention is each session's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.functional import scaled_dot_product_attention, silu

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
    """Cosines and sines of every position's angles, for as many positions as were asked for yet."""

    def __init__(self, shape: Shape, dtype: torch.dtype, device: str) -> None:
        self._frequencies = torch.tensor(inverse_frequencies(shape), dtype=torch.float64)
        self._dtype, self._device = dtype, device
        self._grow(256)

    def _grow(self, positions: int) -> None:
        angles = torch.outer(torch.arange(positions, dtype=torch.float64), self._frequencies)
        angles = torch.cat([angles, angles], dim=-1)
        self._cos = angles.cos().to(self._dtype).to(self._device)
        self._sin = angles.sin().to(self._dtype).to(self._device)

    def at(self, positions: torch.Tensor, last: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines [tokens, 1, head_width] at `positions`, of which `last` is the largest."""
        while last >= self._cos.shape[0]:
            self._grow(2 * self._cos.shape[0])
        return self._cos[positions, None], self._sin[positions, None]


def rms_norm(states: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Zhang, Sennrich, "Root Mean Square Layer Normalization" (2019), in float32."""
    exact = states.float()
    scaled = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + eps)
    return weight * scaled.to(states.dtype)


def _turn(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = states.shape[-1] // 2
    turned = torch.cat([-states[..., half:], states[..., :half]], dim=-1)
    return states * cos + turned * sin


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
            gate, up = layer.gate_up(rms_norm(states, layer.after, self.shape.eps)).chunk(2, dim=-1)
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
        mixed = layer.qkv(rms_norm(states, layer.before, shape.eps))
        heads = mixed.reshape(tokens, -1, shape.head_width)
        query, key, value = heads.split([shape.heads, shape.kv_heads, shape.kv_heads], dim=1)
        if layer.q_norm is not None and layer.k_norm is not None:
            query = rms_norm(query, layer.q_norm, shape.eps)
            key = rms_norm(key, layer.k_norm, shape.eps)
        query, key = _turn(query, *turn), _turn(key, *turn)
        outputs, begin = [], 0
        for segment, mask in zip(segments, masks, strict=True):
            here, end = slice(begin, begin + segment.count), segment.start + segment.count
            keys, values = segment.cache.keys[place], segment.cache.values[place]
            keys[:, segment.start : end] = key[here].transpose(0, 1)
            values[:, segment.start : end] = value[here].transpose(0, 1)
            outputs.append(
                scaled_dot_product_attention(
                    query[here].transpose(0, 1)[None],
                    keys[None, :, :end],
                    values[None, :, :end],
                    attn_mask=mask,
                    enable_gqa=True,
                )[0].transpose(0, 1)
            )
            begin = here.stop
        attended = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
        return layer.out(attended.reshape(tokens, -1))


def _mask(segment: Segment, device: torch.device) -> torch.Tensor | None:
    """Which positions each of a segment's tokens looks at [count, start + count]; None for all of them."""
    if segment.count == 1:
        return None
    ones = torch.ones(segment.count, segment.start + segment.count, dtype=torch.bool, device=device)
    return ones.tril(diagonal=segment.start)

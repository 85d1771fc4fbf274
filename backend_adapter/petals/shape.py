"""What config.json says of a model, as far as the swarm computes with it.

Families that differ from Llama in nothing but biases, norms of queries and keys, and the form of the rotary angles
are computed by the same code: Llama 2 and 3, Mistral, Qwen 2 and 3.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend_adapter.petals.errors import WeightsError

_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


@dataclass(frozen=True)
class Shape:
    """Sizes of a model: `width` of a hidden state, numbers in a head, and the scale of the rotary angles."""

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    eps: float
    theta: float
    scaling: Mapping[str, Any]
    context: int
    tied: bool


def read_shape(directory: Path) -> Shape:
    """The shape of the model in `directory`. Raises WeightsError for one that cannot be computed here."""
    file = directory / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{file} cannot be read: {error}.", "Name a model's directory."
        ) from error
    family = config.get("model_type")
    scaling = config.get("rope_scaling") or {}
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    unknown = ""
    if family not in _FAMILIES:
        unknown = f"family {family!r}"
    elif config.get("hidden_act", "silu") != "silu":
        unknown = f"activation {config['hidden_act']!r}"
    elif kind not in ("default", "linear", "llama3"):
        unknown = f"rope scaling {kind!r}"
    elif config.get("use_sliding_window"):
        unknown = "sliding window"
    if unknown:
        raise WeightsError(
            f"The model in {directory} has the {unknown}, which no node computes.",
            f"Choose a model of the families {', '.join(_FAMILIES)}.",
        )
    try:
        return _shape(config, scaling)
    except KeyError as missing:
        raise WeightsError(
            f"{file} does not say {missing}.", "Name a complete model's directory."
        ) from None


def _shape(config: Mapping[str, Any], scaling: Mapping[str, Any]) -> Shape:
    heads = config["num_attention_heads"]
    return Shape(
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        inner=config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_width=config.get("head_dim") or config["hidden_size"] // heads,
        vocabulary=config["vocab_size"],
        eps=config["rms_norm_eps"],
        theta=config.get("rope_theta") or 10000.0,
        scaling=scaling,
        context=config.get("max_position_embeddings", 2048),
        tied=bool(config.get("tie_word_embeddings")),
    )


def inverse_frequencies(shape: Shape) -> list[float]:
    """How fast each pair of a head's numbers turns with the position, in radians a token.

    Su et al., "RoFormer" (2021); the scaling `llama3` is that of Llama 3.1's model card: slow pairs turn slower by
    a factor, those in between are blended.
    """
    width = shape.head_width
    plain = [shape.theta ** (-2 * pair / width) for pair in range(width // 2)]
    scaling = shape.scaling
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind == "linear":
        return [each / scaling["factor"] for each in plain]
    if kind != "llama3":
        return plain
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    context = scaling["original_max_position_embeddings"]
    turned = []
    for frequency in plain:
        turns = context * frequency / (2 * math.pi)
        share = min(1.0, max(0.0, (turns - low) / (high - low)))
        turned.append(frequency * share + frequency / factor * (1 - share))
    return turned

"""The two ends of a model: ids become hidden states, and hidden states become scores of the next token."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import embedding, linear

from backend_adapter.petals.errors import WeightsError
from backend_adapter.petals.shape import Shape
from backend_adapter.petals.tensors import read_tensors

_EMBED, _NORM, _HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


class Ends:
    """Embeddings and head of the model in `directory`. Raises WeightsError where they are not there."""

    def __init__(self, directory: Path, shape: Shape) -> None:
        self.shape = shape
        read = read_tensors(directory, (_EMBED, _NORM, _HEAD), torch.float32)
        needed = (_EMBED, _NORM) if shape.tied else (_EMBED, _NORM, _HEAD)
        if missing := [name for name in needed if name not in read]:
            raise WeightsError(
                f"The model in {directory} has no {missing[0]}.", "Name a complete model's directory."
            )
        self._embed, self._norm = read[_EMBED], read[_NORM]
        self._head = self._embed if shape.tied else read[_HEAD]

    @torch.inference_mode()
    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """Hidden states [tokens, width] before the first layer."""
        return embedding(torch.tensor(ids, dtype=torch.int64), self._embed)

    @torch.inference_mode()
    def scores(self, states: torch.Tensor) -> torch.Tensor:
        """Unnormalised log probabilities [tokens, vocabulary] of what follows each hidden state."""
        exact = states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self.shape.eps)
        return linear(exact * self._norm, self._head)

"""The two ends of a model: ids become hidden states, and hidden states become scores of the next token."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn.functional import embedding

from backend_adapter.petals.errors import WeightsError
from backend_adapter.petals.matrix import Matrix
from backend_adapter.petals.model.together import Together
from backend_adapter.petals.shape import Shape, read_shape
from backend_adapter.petals.tensors import read_tensors

_EMBED, _NORM, _HEAD = "model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"


class Ends:
    """Embeddings, last norm and head of the model in `directory`; nothing else of it is read.

    `width` is that of a hidden state, `vocabulary` the number of scores. Raises WeightsError where something is
    missing.
    """

    def __init__(self, directory: Path, shape: Shape | None = None) -> None:
        self.shape = shape or read_shape(directory)
        tied = self.shape.tied
        needed = (_EMBED, _NORM) if tied else (_EMBED, _NORM, _HEAD)
        read = read_tensors(directory, needed, torch.float32)
        if missing := [name for name in needed if name not in read]:
            raise WeightsError(
                f"The model in {directory} has no {missing[0]}.",
                "Name a complete model's directory.",
            )
        self._embed, self._norm = read[_EMBED], read[_NORM]
        self._head = Matrix(self._embed if tied else read[_HEAD])
        self.vocabulary, self.width = self._head.shape
        self._together = Together(self._scores)

    def embed(self, ids: Sequence[int]) -> torch.Tensor:
        """Hidden states [tokens, width] before the first layer."""
        with torch.inference_mode():
            return embedding(torch.tensor(ids, dtype=torch.int64), self._embed)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """Unnormalised log probabilities [tokens, vocabulary] of what follows each hidden state [tokens, width].

        Threads that ask at the same time are answered together.
        """
        return self._together(states.float())

    def _scores(self, states: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            exact = states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + self.shape.eps)
            return self._head(exact * self._norm)

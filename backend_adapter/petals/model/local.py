"""A whole model in this process: the small model that drafts, and what swarms are compared with."""

import threading
from collections.abc import Sequence
from pathlib import Path

import torch

from backend_adapter.petals.errors import CacheFullError
from backend_adapter.petals.model.ends import Ends
from backend_adapter.petals.node.layers import Cache, Layer, Layers, Rotary, Segment


class LocalModel:
    """Ends and all layers of the model in `directory`, in float32; many threads may use it. Raises WeightsError."""

    def __init__(self, directory: Path) -> None:
        self.ends = Ends(directory)
        self.shape = self.ends.shape
        self.layers = Layers(
            self.shape,
            0,
            [
                Layer(directory, index, self.shape, torch.float32, "cpu")
                for index in range(self.shape.layers)
            ],
            Rotary(self.shape, torch.float32, "cpu"),
        )
        # One computation has all of the processor, and the rotary angles grow within it.
        self.computing = threading.Lock()


class LocalCache:
    """Keys and values of one sequence of at most `max_tokens` tokens; it grows as it is used."""

    rolls_back = True

    def __init__(self, model: LocalModel, max_tokens: int) -> None:
        self._model, self._max_tokens = model, max_tokens
        self._cache = self._of(min(max_tokens, 256))
        self.position = 0

    def _of(self, tokens: int) -> Cache:
        shape = self._model.shape
        return Cache(shape, shape.layers, tokens, torch.float32, "cpu")

    def forward(self, ids: Sequence[int], start: int, *, last_only: bool = False) -> torch.Tensor:
        """Hidden states [tokens, width] (or [1, width]) of `ids`, the first at position `start` <= `position`.

        What was cached from `start` on is forgotten. Raises CacheFullError.
        """
        if not 0 <= start <= self.position:
            raise ValueError(f"position {start} is not within the {self.position} tokens cached")
        self._make_room(start + len(ids), start)
        with self._model.computing:
            states = self._model.layers.run(
                self._model.ends.embed(ids),
                [Segment(self._cache, start, len(ids))],
                0,
                self._model.shape.layers,
            )
        self.position = start + len(ids)
        return states[-1:] if last_only else states

    def _make_room(self, tokens: int, kept: int) -> None:
        room = self._cache.keys.shape[2]
        if tokens <= room:
            return
        if tokens > self._max_tokens:
            raise CacheFullError(
                f"{tokens} tokens do not fit a conversation of {self._max_tokens}.",
                "Ask for a shorter answer.",
            )
        larger = self._of(min(self._max_tokens, max(tokens, 2 * room)))
        larger.keys[:, :, :kept] = self._cache.keys[:, :, :kept]
        larger.values[:, :, :kept] = self._cache.values[:, :, :kept]
        self._cache = larger

"""A logits processor that makes a real engine say what a test wants: `--logits-processors forced:Forced`.

It runs in the engine's process. The adapter passes only fields on that it knows, so a request names its answer by
its seed: the folder FORCED_ANSWERS holds `<seed>.json`, a list of token ids.
"""

import json
import os
from pathlib import Path

import torch
from vllm import SamplingParams
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

_FOLDER = Path(os.environ["FORCED_ANSWERS"])


class _Answer:
    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens

    def _told(self, prompt: list[int]) -> int:
        """How much of the answer the prompt holds already: an answer that is gone on with is not told anew."""
        for count in range(min(len(self._tokens), len(prompt)), 0, -1):
            if prompt[-count:] == self._tokens[:count]:
                return count
        return 0

    def __call__(self, prompt: list[int], said: list[int], logits: torch.Tensor) -> torch.Tensor:
        place = self._told(prompt) + len(said)
        if place < len(self._tokens):
            logits.fill_(float("-inf"))
            logits[self._tokens[place]] = 0.0
        return logits


class Forced(AdapterLogitsProcessor):
    """One answer for each request that has one."""

    def is_argmax_invariant(self) -> bool:
        return False

    def new_req_logits_processor(self, params: SamplingParams) -> _Answer | None:
        file = _FOLDER / f"{params.seed}.json"
        return _Answer(json.loads(file.read_text())) if file.is_file() else None

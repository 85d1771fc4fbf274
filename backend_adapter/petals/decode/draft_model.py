"""A small model in this process that guesses what a large one says; both must have the same tokens."""

from collections.abc import Callable, Sequence

import torch

from backend_adapter.petals.decode.drafts import Draft
from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.model.local import LocalCache, LocalModel
from backend_adapter.petals.model.tokenizer import Text

KIND = "model"


def check_same_tokens(large: Text, small: Text) -> None:
    """Raises SwarmSettingsError where the small model's tokens mean something else to the large one."""
    if large.vocabulary != small.vocabulary:
        raise SwarmSettingsError(
            "The draft model has another tokenizer than the swarm's model.",
            "Choose one of the same family, or none.",
        )


class DraftModel:
    """Drafts by a small model for one sequence of at most `max_tokens` tokens.

    `choose(logits, position)` picks a token: the likeliest by default; a Sampler's `choose` with the seed of the
    large model's makes samples agree as often as the two models do (see `sampling.noise`).
    """

    def __init__(
        self,
        model: LocalModel,
        max_tokens: int,
        choose: Callable[[torch.Tensor, int], int] | None = None,
    ) -> None:
        self._model, self._max_tokens = model, max_tokens
        self._choose = choose or (lambda logits, position: int(logits.argmax()))
        self._cache = LocalCache(model, max_tokens)
        self._ids: list[int] = []
        # What the cache holds: drafts too, whether they were right or not.
        self._held: list[int] = []

    def extend(self, ids: Sequence[int]) -> None:
        """See Drafter."""
        self._ids.extend(ids)

    def propose(self, most: int) -> Draft:
        """See Drafter."""
        most = min(most, self._max_tokens - len(self._ids))
        if most <= 0 or not self._ids:
            return Draft()
        self._catch_up()
        sequence = list(self._ids)
        start = len(self._held)
        while True:
            states = self._cache.forward(sequence[start:], start, last_only=True)
            self._held = list(sequence)
            logits = self._model.ends.logits(states)[0]
            sequence.append(self._choose(logits, len(sequence)))
            if len(sequence) - len(self._ids) == most:
                return Draft(tuple(sequence[len(self._ids) :]), KIND)
            start = len(sequence) - 1

    def _catch_up(self) -> None:
        """Forget of the cache what was not said; at least the last token is computed anew, for its logits."""
        held, same = self._held, min(len(self._held), len(self._ids) - 1)
        # Drafts can only be wrong at the end, so it is looked at from there.
        low = same
        while low and held[:low] != self._ids[:low]:
            low -= 1
        self._held = held[:low]

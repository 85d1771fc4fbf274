"""A small model in this process that guesses what a large one says; both must have the same tokens."""

import statistics
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.nn.functional import pad

from backend_adapter.petals.decode.depth import Depth
from backend_adapter.petals.decode.drafts import Draft
from backend_adapter.petals.errors import SwarmSettingsError, WeightsError
from backend_adapter.petals.model.local import LocalCache, LocalModel
from backend_adapter.petals.model.tokenizer import Text
from backend_adapter.petals.weights import check_directory

KIND = "model"
# A draft waits for so many unread tokens at most; more, as a prompt has, are read beside the rounds.
_READ_AT_ONCE = 32
# Tokens read at a time beside the rounds: other answers' drafts wait for no more.
_PIECE = 64
_MEASURED = 9


def load_draft_model(directory: Path, large: Text) -> LocalModel:
    """The small model in `directory`. Raises SwarmSettingsError where it cannot draft for the tokens of `large`."""
    try:
        check_directory(directory)
        check_same_tokens(large, Text(directory))
        return LocalModel(directory)
    except WeightsError as error:
        raise SwarmSettingsError(
            f"The draft model (draft_model) cannot be used: {error.message}", error.remedy
        ) from error


def check_same_tokens(large: Text, small: Text) -> None:
    """Raises SwarmSettingsError where the small model's tokens mean something else to the large one."""
    ours, theirs = large.vocabulary, small.vocabulary
    if ours != theirs:
        other = min(token for token in ours | theirs if ours.get(token) != theirs.get(token))
        raise SwarmSettingsError(
            "The draft model (draft_model) has another tokenizer than the swarm's model: the token "
            f"{other!r} is {theirs.get(other, 'unknown')} to it, and {ours.get(other, 'unknown')} to the swarm's.",
            "Choose one of the same family, or none.",
        )


def drafting_seconds(model: LocalModel) -> float:
    """How long the model takes to draft a token here: the median of a few."""
    cache = LocalCache(model, _MEASURED + 1)
    took = []
    for position in range(_MEASURED + 1):
        began = time.perf_counter()
        int(model.ends.logits(cache.forward([0], position)).argmax())
        took.append(time.perf_counter() - began)
    # The first one also fetches the weights.
    return statistics.median(took[1:])


class DraftModel:
    """Drafts by a small model for one sequence of at most `max_tokens` tokens.

    `choose(logits, position)` picks a token: the likeliest by default; the `choose` of the large model's Sampler
    makes samples agree as often as the two models do (see `sampling.noise`). It is given `vocabulary` logits, which
    is as many as the large model has: models of one family fill up theirs differently. `depth` tells how many
    tokens are worth the time that drafting them takes; without it, all that are asked for are.
    """

    def __init__(
        self,
        model: LocalModel,
        max_tokens: int,
        choose: Callable[[torch.Tensor, int], int] | None = None,
        depth: Depth | None = None,
        vocabulary: int | None = None,
    ) -> None:
        self._model, self._depth = model, depth
        self._max_tokens = min(max_tokens, model.shape.context)
        self._vocabulary = vocabulary or model.ends.vocabulary
        self._choose = choose or (lambda logits, position: int(logits.argmax()))
        self._cache: LocalCache | None = None
        self._ids: list[int] = []
        # What the cache holds: drafts too, whether they were right or not.
        self._held: list[int] = []
        self._reading: threading.Thread | None = None
        self._knows_all = True

    def extend(self, ids: Sequence[int]) -> None:
        """See Drafter."""
        self._ids.extend(ids)
        self._knows_all = self._knows_all and max(ids, default=0) < self._model.ends.vocabulary

    def propose(self, most: int) -> Draft:
        """See Drafter; there is no guess while a long text is read, nor where none is worth its time."""
        most = min(most, self._max_tokens - len(self._ids))
        if self._depth is not None:
            most = min(most, self._depth.best(KIND, most))
        if most <= 0 or not self._ids or not self._knows_all or not self._has_read():
            return Draft()
        began = time.perf_counter()
        sequence = list(self._ids)
        start = len(self._held)
        while True:
            logits = self._model.ends.logits(self._states(sequence[start:]))[0]
            sequence.append(self._choose(_fitted(logits, self._vocabulary), len(sequence)))
            if len(sequence) - len(self._ids) == most:
                seconds = time.perf_counter() - began
                return Draft(tuple(sequence[len(self._ids) :]), KIND, seconds / most)
            start = len(sequence) - 1

    def _states(self, ids: list[int]) -> torch.Tensor:
        """The hidden state [1, width] behind `ids`, which follow what is held and are held from now on."""
        if self._cache is None:
            self._cache = LocalCache(self._model, self._max_tokens)
        states = self._cache.forward(ids, len(self._held), last_only=True)
        self._held += ids
        return states

    def _has_read(self) -> bool:
        """Whether nearly all is read; if not, see to it that it will be."""
        if self._reading is not None and self._reading.is_alive():
            return False
        self._forget_wrong_drafts()
        if len(self._ids) - len(self._held) <= _READ_AT_ONCE:
            return True
        self._reading = threading.Thread(target=_read, args=(weakref.ref(self),))
        self._reading.start()
        return False

    def _read_on(self) -> bool:
        """Read a piece of what is not held yet; False where no more than the last token is left."""
        start, end = len(self._held), min(len(self._ids) - 1, self._max_tokens)
        if start < end:
            self._states(self._ids[start : min(end, start + _PIECE)])
        return len(self._held) < end

    def _forget_wrong_drafts(self) -> None:
        """Forget of the cache what was not said; at least the last token is computed anew, for its logits."""
        held, same = self._held, min(len(self._held), len(self._ids) - 1)
        # Drafts can only be wrong at the end, so it is looked at from there.
        low = same
        while low and held[:low] != self._ids[:low]:
            low -= 1
        self._held = held[:low]


def _read(of: "weakref.ref[DraftModel]") -> None:
    """Read all that is known, as long as the answer is wanted."""
    while (drafter := of()) is not None and drafter._read_on():
        del drafter


def _fitted(logits: torch.Tensor, vocabulary: int) -> torch.Tensor:
    """As many logits as the large model has: those beyond its tokens are left out, and what is lacking is -inf."""
    known = logits[:vocabulary]
    return pad(known, (0, vocabulary - known.shape[0]), value=-torch.inf)

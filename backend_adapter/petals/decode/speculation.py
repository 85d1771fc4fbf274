"""Checks drafts: which of them are what would have been said without them, and what comes behind.

The token at each position is chosen from the model's scores there exactly as it would be step by step, by the
chance of that position alone; a draft is accepted if it is that token. So the distribution is the model's own. A
draft that is no sample is accepted as often as by the rejection sampling of Leviathan et al. (2023) and Chen et al.
(2023); one that a draft model sampled with the same noise a little less often (bound: (1 - d) / (1 + d) instead of
1 - d, d the total variation distance), in return for tokens that do not depend on drafts at all.
"""

from collections.abc import Sequence

import torch

from backend_adapter.petals.decode.constraint import Constraint
from backend_adapter.petals.decode.sampling import Sampler, Token


def verify(
    logits: torch.Tensor,
    drafted: Sequence[int],
    position: int,
    sampler: Sampler,
    constraint: Constraint | None,
    ends: frozenset[int],
) -> list[Token]:
    """The tokens of a round: the accepted drafts and one behind them, at least one; none behind an end.

    `logits` [drafted + 1, vocabulary] are those before each drafted token and behind the last; `position` is that
    of the first. Raises GenerationError where the constraint allows nothing.
    """
    tokens: list[Token] = []
    likeliest = logits.argmax(-1).tolist() if sampler.plain and constraint is None else None
    for place, row in enumerate(logits):
        if likeliest is not None:
            chosen = likeliest[place]
        else:
            mask = constraint.mask() if constraint is not None else None
            chosen = sampler.choose(row, position + place, mask)
        tokens.append(sampler.token(chosen, row))
        sampler.said(chosen)
        if chosen in ends:
            break
        if constraint is not None:
            constraint.accept(chosen)
        if place == len(drafted) or chosen != drafted[place]:
            break
    return tokens

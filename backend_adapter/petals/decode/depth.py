"""How many tokens to draft: more are worth a longer step only while they are likely to be right.

With a chance `a` that a drafted token is right once those before it are, `k` drafts give (1 - a^(k+1)) / (1 - a)
tokens a round (Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2023,
equation 1).
"""

import math
from dataclasses import dataclass, field

# How many drafted tokens the first opinion of a kind counts for, and how soon what was measured is forgotten.
_OPINION = 4.0
_FIRST_CHANCE = 0.6
_KEEP = 0.9
# What is sent now and then of a kind that was not worth it, so that one learns when that changes.
_RETRY_EVERY = 16


def expected_tokens(chance: float, drafted: int) -> float:
    """Tokens that a round with `drafted` tokens gives, the one behind the accepted drafts included."""
    if chance >= 1:
        return drafted + 1.0
    return (1 - chance ** (drafted + 1)) / (1 - chance)


def best_depth(chance: float, fixed_s: float, per_token_s: float, most: int) -> int:
    """How many drafts give the most tokens a second, if a round of n tokens takes `fixed_s` + n `per_token_s`."""
    best, most_a_second = 0, 0.0
    for drafted in range(most + 1):
        a_second = expected_tokens(chance, drafted) / (fixed_s + (drafted + 1) * per_token_s)
        if a_second > most_a_second * (1 + 1e-9):
            best, most_a_second = drafted, a_second
    return best


@dataclass
class Cost:
    """What a round takes, learnt from rounds: a line through (tokens, seconds), older ones counting less.

    The first opinion is a long way and cheap tokens, as between sites.
    """

    fixed_s: float = 0.05
    per_token_s: float = 0.002
    _moments: list[float] = field(default_factory=lambda: [0.0] * 5)

    def learn(self, tokens: int, seconds: float) -> None:
        """A round of `tokens` took `seconds`."""
        sums = [
            _KEEP * old + new
            for old, new in zip(
                self._moments,
                (1.0, tokens, seconds, tokens * tokens, tokens * seconds),
                strict=True,
            )
        ]
        self._moments = sums
        weight, count, time, squares, products = sums
        spread = squares / weight - (count / weight) ** 2
        if spread > 0.25:
            slope = (products / weight - count * time / weight**2) / spread
            self.per_token_s = min(max(slope, 1e-6), max(time / count, 1e-6))
        self.fixed_s = max(time / weight - self.per_token_s * count / weight, 1e-6)


@dataclass
class Depth:
    """Chooses how many drafts of each kind to send, from what came of those before. `most` is the limit."""

    most: int
    cost: Cost = field(default_factory=Cost)
    _counts: dict[str, tuple[float, float]] = field(default_factory=dict)
    _passed: dict[str, int] = field(default_factory=dict)

    def chance(self, kind: str) -> float:
        """How likely a drafted token of this kind is right."""
        tried, right = self._counts.get(kind, (0.0, 0.0))
        return min((right + _OPINION * _FIRST_CHANCE) / (tried + _OPINION), 0.995)

    def best(self, kind: str, proposed: int) -> int:
        """How many of `proposed` tokens of this kind to send."""
        most = min(proposed, self.most)
        best = best_depth(self.chance(kind), self.cost.fixed_s, self.cost.per_token_s, most)
        if best or not most:
            return best
        passed = self._passed[kind] = self._passed.get(kind, 0) + 1
        return int(passed % _RETRY_EVERY == 0)

    def learn(self, kind: str, drafted: int, accepted: int, seconds: float) -> None:
        """Of `drafted` tokens `accepted` were right, in a round of so many `seconds`."""
        if not math.isfinite(seconds) or seconds <= 0:
            return
        self.cost.learn(drafted + 1, seconds)
        if drafted:
            tried, right = self._counts.get(kind, (0.0, 0.0))
            # What lies behind the first wrong one was not tried.
            self._counts[kind] = (
                _KEEP * tried + min(accepted + 1, drafted),
                _KEEP * right + accepted,
            )

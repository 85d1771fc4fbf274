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
# What drafting takes is out of date after so many rounds, of all answers, in which nobody drafted.
_KNOWN_FOR = 256


def expected_tokens(chance: float, drafted: int) -> float:
    """Tokens that a round with `drafted` tokens gives, the one behind the accepted drafts included."""
    if chance >= 1:
        return drafted + 1.0
    return (1 - chance ** (drafted + 1)) / (1 - chance)


def best_depth(
    chance: float, fixed_s: float, per_token_s: float, most: int, drafting_s: float = 0.0
) -> int:
    """How many drafts give the most tokens a second.

    A round of n tokens takes `fixed_s` + n `per_token_s`, and before it each draft took `drafting_s`.
    """
    best, most_a_second = 0, 0.0
    for drafted in range(most + 1):
        seconds = fixed_s + (drafted + 1) * per_token_s + drafted * drafting_s
        a_second = expected_tokens(chance, drafted) / seconds
        if a_second > most_a_second * (1 + 1e-9):
            best, most_a_second = drafted, a_second
    return best


@dataclass
class Cost:
    """What a round takes, learnt from rounds: a line through (tokens, seconds), older ones counting less.

    The first opinion is a long way and cheap tokens, as between sites. `drafting_s` is what drafting a token takes
    here, by kind, as `learn_drafting` was told lately; what it was not told of takes nothing. `rounds` are all that
    were learnt from.
    """

    fixed_s: float = 0.05
    per_token_s: float = 0.002
    drafting_s: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    _told_at: dict[str, int] = field(default_factory=dict)
    _moments: list[float] = field(default_factory=lambda: [0.0] * 5)

    def learn(self, tokens: int, seconds: float) -> None:
        """A round of `tokens` took `seconds`."""
        self.rounds += 1
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

    def learn_drafting(self, kind: str, seconds: float, *, anew: bool = False) -> None:
        """Drafting took `seconds` for each token of this kind; `anew` forgets what it took before."""
        known = seconds if anew else self.drafting_s.get(kind, seconds)
        self.drafting_s[kind] = _KEEP * known + (1 - _KEEP) * seconds
        self._told_at[kind] = self.rounds

    def out_of_date(self, kind: str) -> bool:
        """Whether what drafting takes should be measured anew: a busy machine may have become an idle one."""
        return self.rounds - self._told_at.get(kind, 0) >= _KNOWN_FOR


@dataclass
class Depth:
    """Chooses how many drafts of each kind to send, from what came of those before. `most` is the limit."""

    most: int
    cost: Cost = field(default_factory=Cost)
    _counts: dict[str, tuple[float, float]] = field(default_factory=dict)
    _rounds: int = 0
    _sent_at: dict[str, int] = field(default_factory=dict)

    def chance(self, kind: str) -> float:
        """How likely a drafted token of this kind is right."""
        tried, right = self._counts.get(kind, (0.0, 0.0))
        return min((right + _OPINION * _FIRST_CHANCE) / (tried + _OPINION), 0.995)

    def best(self, kind: str, proposed: int) -> int:
        """How many of `proposed` tokens of this kind to send, or to draft at all where drafting takes its time.

        The same until the next round has come. What is not worth it is tried again now and then, but no draft that
        takes its time is begun with for that, nor one that takes longer than the round that it may save.
        """
        most, cost = min(proposed, self.most), self.cost
        drafting_s = cost.drafting_s.get(kind, 0.0)
        best = best_depth(self.chance(kind), cost.fixed_s, cost.per_token_s, most, drafting_s)
        if best or not most:
            return best
        begun = kind in self._sent_at and drafting_s < cost.fixed_s + cost.per_token_s
        if drafting_s and not begun:
            return 0
        return int(self._rounds - self._sent_at.get(kind, 0) >= _RETRY_EVERY)

    def refused(self, kind: str) -> None:
        """A drafted token of this kind was wrong for certain, so it was not even sent."""
        self._sent_at[kind] = self._rounds
        tried, right = self._counts.get(kind, (0.0, 0.0))
        self._counts[kind] = (_KEEP * tried + 1, _KEEP * right)

    def learn(
        self, kind: str, drafted: int, accepted: int, seconds: float, drafting_s: float = 0.0
    ) -> None:
        """Of `drafted` tokens `accepted` were right, in a round of so many `seconds`.

        Before it, drafting took `drafting_s` for each token, if it took any time worth counting.
        """
        if not math.isfinite(seconds) or seconds <= 0:
            return
        self._rounds += 1
        self.cost.learn(drafted + 1, seconds)
        if drafting_s > 0:
            self.cost.learn_drafting(kind, drafting_s)
        if drafted:
            self._sent_at[kind] = self._rounds
            tried, right = self._counts.get(kind, (0.0, 0.0))
            # What lies behind the first wrong one was not tried.
            self._counts[kind] = (
                _KEEP * tried + min(accepted + 1, drafted),
                _KEEP * right + accepted,
            )

"""Chooses the next token: what changes its probabilities, in which order, and by which chance.

The order is that of transformers and vLLM: grammar, penalties, bias, temperature, top_k, top_p, min_p. Log
probabilities are those of the model itself, before any of it, as OpenAI's API tells them.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

# Below this, sampling is choosing the likeliest.
_COLDEST = 1e-5
# So many of the likeliest are looked at first: all that top_p keeps are nearly always among them, and to sort a
# whole vocabulary takes milliseconds.
_LOOKS = (512, 8192)


@dataclass(frozen=True)
class Sampling:
    """How an answer's tokens are chosen; the fields are OpenAI's and vLLM's.

    `top_k` 0 is no limit, `seed` None is a new one, `logprobs` the number of alternatives that are told (None: not
    even the token's own log probability).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None


@dataclass(frozen=True)
class Token:
    """A token of the answer, its log probability, and the likeliest tokens in its place with theirs."""

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Sampler:
    """Chooses the tokens of one sequence, and counts what was said for the penalties.

    The chance of a position is a function of seed and position alone: whoever samples with the same seed, in
    however many steps and after whatever drafts, gets the same tokens. See `noise`.
    """

    def __init__(self, sampling: Sampling, vocabulary: int) -> None:
        self.sampling, self._vocabulary = sampling, vocabulary
        self.greedy = sampling.temperature < _COLDEST or sampling.top_k == 1
        self._seed = secrets.randbits(63) if sampling.seed is None else sampling.seed
        self._bias = _bias(sampling.logit_bias, vocabulary)
        self._penalises = bool(sampling.presence_penalty or sampling.frequency_penalty)
        self._repeats = sampling.repetition_penalty != 1.0
        self._counts = torch.zeros(vocabulary) if self._penalises else None
        self._seen = torch.zeros(vocabulary, dtype=torch.bool) if self._repeats else None

    @property
    def plain(self) -> bool:
        """Whether the choice is the likeliest token by the model itself, whatever was said before."""
        return self.greedy and not (self._penalises or self._repeats or self._bias is not None)

    def begin(self, prompt: Sequence[int]) -> None:
        """The sequence starts with these: repetition is counted from them on, presence and frequency are not."""
        if self._seen is not None:
            self._seen[torch.tensor(prompt, dtype=torch.int64)] = True

    def said(self, token: int) -> None:
        """One more token of the answer."""
        if self._counts is not None:
            self._counts[token] += 1
        if self._seen is not None:
            self._seen[token] = True

    def choose(self, logits: torch.Tensor, position: int, mask: torch.Tensor | None = None) -> int:
        """The token at `position` of the sequence, for `logits` [vocabulary]; `mask` tells which are allowed."""
        scores = self.processed(logits, mask)
        if self.greedy:
            return int(scores.argmax())
        # Gumbel (1954): the largest of log p + noise is a sample of p.
        return int((scores + noise(self._seed, position, self._vocabulary)).argmax())

    def processed(self, logits: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Scores [vocabulary] whose softmax is the distribution that is sampled; what is excluded is -inf."""
        sampling = self.sampling
        scores = logits.clone()
        if mask is not None:
            scores[~mask] = -torch.inf
        if self._seen is not None:
            # Keskar et al., "CTRL" (2019), section 4.1; for negative scores as transformers has it.
            penalty = sampling.repetition_penalty
            repeated = torch.where(scores < 0, scores * penalty, scores / penalty)
            scores = torch.where(self._seen, repeated, scores)
        if self._counts is not None:
            scores -= sampling.frequency_penalty * self._counts
            scores -= sampling.presence_penalty * (self._counts > 0)
        if self._bias is not None:
            scores += self._bias
        if self.greedy:
            return scores
        scores /= sampling.temperature
        if 0 < sampling.top_k < self._vocabulary:
            least = scores.topk(sampling.top_k).values[-1]
            scores[scores < least] = -torch.inf
        if sampling.top_p < 1:
            scores = _nucleus(scores, sampling.top_p)
        if sampling.min_p > 0:
            probabilities = scores.softmax(-1)
            scores[probabilities < sampling.min_p * probabilities.max()] = -torch.inf
        return scores

    def token(self, chosen: int, logits: torch.Tensor) -> Token:
        """The token `chosen`, with as many log probabilities by the model as were asked for."""
        tops = self.sampling.logprobs
        if tops is None:
            return Token(chosen)
        told = logits.log_softmax(-1)
        if not tops:
            return Token(chosen, float(told[chosen]))
        values, ids = told.topk(min(tops, self._vocabulary))
        return Token(
            chosen, float(told[chosen]), tuple(zip(ids.tolist(), values.tolist(), strict=True))
        )


def noise(seed: int, position: int, vocabulary: int) -> torch.Tensor:
    """Gumbel noise [vocabulary] of one position, the same for whoever knows the seed.

    A draft that is sampled with the same noise is likely to be what the model samples, and whatever it is, it has
    no influence on what the model samples: Daliri, Musco, Suresh, "Coupling without Communication and
    Drafter-Invariant Speculative Decoding" (2024).
    """
    digest = hashlib.blake2b(f"{seed}:{position}".encode(), digest_size=8).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
    # -log of an exponential variate is a Gumbel variate; the clamp keeps a zero from becoming infinite.
    return -torch.empty(vocabulary).exponential_(generator=generator).clamp_min_(1e-30).log_()


def _bias(asked: Mapping[int, float], vocabulary: int) -> torch.Tensor | None:
    known = {token: value for token, value in asked.items() if 0 <= token < vocabulary and value}
    if not known:
        return None
    bias = torch.zeros(vocabulary)
    bias[list(known)] = torch.tensor(list(known.values()), dtype=torch.float32)
    return bias


def _nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Only the likeliest that together have `top_p` of the probability, and at least one.

    Holtzman et al., "The Curious Case of Neural Text Degeneration" (2020).
    """
    probabilities = scores.softmax(-1)
    for look in (*_LOOKS, scores.shape[-1]):
        likeliest, ids = probabilities.topk(min(look, scores.shape[-1]))
        if float(likeliest.sum()) >= top_p:
            break
    before = likeliest.cumsum(-1) - likeliest
    kept = ids[(before < top_p) | (torch.arange(ids.shape[0]) == 0)]
    narrowed = torch.full_like(scores, -torch.inf)
    narrowed[kept] = scores[kept]
    return narrowed

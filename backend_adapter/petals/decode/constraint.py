"""Holds an answer to a grammar: which tokens may come next, and which must.

The grammars are texts in llguidance's Lark dialect (JSON schemas and regular expressions within):
https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

from collections.abc import Sequence

import torch
from llguidance import LLMatcher, LLTokenizer

from backend_adapter.petals.errors import GenerationError
from backend_adapter.petals.model.tokenizer import Text

# Token 8 n + b is bit b of octet n.
_BITS = torch.tensor([1 << bit for bit in range(8)], dtype=torch.uint8)


class Grammars:
    """Makes constraints over the tokens of `text`, for a model with `vocabulary` scores; takes a second to make."""

    def __init__(self, text: Text, vocabulary: int) -> None:
        if not text.eos:
            raise GenerationError(
                "The model has no token that ends an answer, so no grammar can end.",
                "Name eos_token_id in the model's generation_config.json.",
            )
        self._vocabulary = vocabulary
        self._ends = text.eos
        self._tokens = LLTokenizer(text.source, n_vocab=vocabulary, eos_token=sorted(text.eos))

    def constraint(self, grammar: str) -> "Constraint":
        """What holds one answer to `grammar`. Raises GenerationError for what is none."""
        matcher = LLMatcher(self._tokens, LLMatcher.grammar_from_lark(grammar), log_level=0)
        if matcher.is_error():
            raise GenerationError(
                f"The answer cannot be held to this form: {matcher.get_error().splitlines()[0]}.",
                "Simplify the schema, the expression or the grammar.",
            )
        return Constraint(matcher, self._vocabulary, self._ends)


class Constraint:
    """One answer's place in its grammar; `ends` are the tokens that end it where it may end."""

    def __init__(self, matcher: LLMatcher, vocabulary: int, ends: frozenset[int]) -> None:
        self._matcher, self._vocabulary, self.ends = matcher, vocabulary, ends

    @property
    def complete(self) -> bool:
        """Whether nothing but an end may come."""
        return bool(self._matcher.is_stopped())

    def mask(self) -> torch.Tensor:
        """Which tokens may come next: bool [vocabulary]. Raises GenerationError."""
        octets = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8)
        self._check()
        allowed = (octets[:, None] & _BITS).flatten()[: self._vocabulary].bool()
        if not allowed.any():
            raise GenerationError(
                "The answer's form allows no token here.", "Simplify the schema or the grammar."
            )
        return allowed

    def accept(self, token: int) -> None:
        """This token has come. Raises GenerationError for one that may not."""
        self._matcher.consume_token(token)
        self._check()

    def rollback(self, tokens: int) -> None:
        """The last `tokens` have not come after all."""
        self._matcher.rollback(tokens)
        self._check()

    def forced(self) -> list[int]:
        """Tokens that the grammar leaves no choice about, as the tokenizer would spell them."""
        if self.complete:
            return []
        return list(self._matcher.compute_ff_tokens())

    def valid(self, ids: Sequence[int]) -> int:
        """How many of `ids` may come next, one after the other."""
        return int(self._matcher.validate_tokens(list(ids)))

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GenerationError(
                f"The answer's form cannot be followed: {self._matcher.get_error().splitlines()[0]}.",
                "Simplify the schema, the expression or the grammar.",
            )

"""Generates one answer: a round trip through all layers gives as many tokens as were foreseen, and one more."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Protocol

import torch

from backend_adapter.petals.decode.constraint import Constraint
from backend_adapter.petals.decode.depth import Depth
from backend_adapter.petals.decode.drafts import Draft, Drafter
from backend_adapter.petals.decode.sampling import Sampler, Sampling, Token
from backend_adapter.petals.decode.speculation import verify
from backend_adapter.petals.errors import GenerationError

FORCED = "forced"
_DRAFT_TOKENS = 8


class SessionLike(Protocol):
    """What is needed of `swarm.session.Session`: see there."""

    @property
    def position(self) -> int: ...

    @property
    def rolls_back(self) -> bool: ...

    async def forward(
        self, ids: Sequence[int], start: int, *, last_only: bool = False
    ) -> torch.Tensor: ...


class EndsLike(Protocol):
    """What is needed of `model.ends.Ends`: see there."""

    vocabulary: int

    def logits(self, states: torch.Tensor) -> torch.Tensor: ...


class Decoder:
    """One answer over a session. `eos` end it and are its last token.

    `sampling` is how its tokens are chosen: a Sampler of this answer's own where its drafter chooses by it too.

    `draft_tokens` is the most that is drafted for a round; `depth` may be given to go on with what another answer
    learnt of the network. `rounds`, `drafted` and `accepted` count what was done.
    """

    def __init__(
        self,
        session: SessionLike,
        ends: EndsLike,
        sampling: Sampling | Sampler,
        drafter: Drafter | None = None,
        constraint: Constraint | None = None,
        eos: frozenset[int] = frozenset(),
        *,
        draft_tokens: int = _DRAFT_TOKENS,
        depth: Depth | None = None,
    ) -> None:
        self._session, self._ends = session, ends
        self._drafter, self._constraint = drafter, constraint
        self._eos = eos if constraint is None else eos | constraint.ends
        self._sampler = (
            sampling if isinstance(sampling, Sampler) else Sampler(sampling, ends.vocabulary)
        )
        self._depth = depth or Depth(draft_tokens)
        self.rounds = self.drafted = self.accepted = 0

    async def tokens(self, prompt: list[int], max_tokens: int) -> AsyncGenerator[list[Token], None]:
        """At most `max_tokens` tokens behind `prompt`, those of a round trip at a time.

        What the session holds already must be the prompt's beginning. Raises SwarmError.
        """
        if not prompt:
            raise GenerationError("The prompt has no token.", "Send at least one.")
        if max_tokens <= 0:
            return
        self._sampler.begin(prompt)
        if self._drafter is not None:
            await asyncio.to_thread(self._drafter.extend, prompt)
        start = min(self._session.position, len(prompt) - 1)
        sending, draft, sequence = prompt[start:], Draft(), len(prompt)
        last_only = True
        while True:
            began = time.perf_counter()
            states = await self._session.forward(sending, start, last_only=last_only)
            seconds = time.perf_counter() - began
            tokens = await asyncio.to_thread(self._verified, states, draft, sequence)
            self._count(draft, tokens, None if last_only else seconds)
            sequence += len(tokens)
            max_tokens -= len(tokens)
            yield tokens
            if max_tokens <= 0 or tokens[-1].id in self._eos:
                return
            draft = await asyncio.to_thread(self._draft, max_tokens - 1)
            start = sequence - 1
            sending, last_only = [tokens[-1].id, *draft.ids], False

    def _verified(self, states: torch.Tensor, draft: Draft, position: int) -> list[Token]:
        """What a round says, told to whoever drafts."""
        logits = self._ends.logits(states)
        tokens = verify(logits, draft.ids, position, self._sampler, self._constraint, self._eos)
        if self._drafter is not None:
            self._drafter.extend([token.id for token in tokens])
        return tokens

    def _draft(self, most: int) -> Draft:
        """What to send for checking: what the grammar forces, or a guess as far as the grammar allows it."""
        if most <= 0 or not self._session.rolls_back or not self._depth.most:
            return Draft()
        most = min(most, self._depth.most)
        constraint = self._constraint
        if constraint is not None and (forced := constraint.forced()):
            return self._as_deep(Draft(tuple(forced[:most]), FORCED))
        if self._drafter is None:
            return Draft()
        draft = self._drafter.propose(most)
        ids = draft.ids[:most]
        if constraint is not None and ids:
            ids = ids[: constraint.valid(ids)]
            if not ids:
                self._depth.refused(draft.kind)
        return self._as_deep(replace(draft, ids=ids))

    def _as_deep(self, draft: Draft) -> Draft:
        return replace(draft, ids=draft.ids[: self._depth.best(draft.kind, len(draft.ids))])

    def _count(self, draft: Draft, tokens: Sequence[Token], seconds: float | None) -> None:
        accepted = sum(
            token.id == drafted for token, drafted in zip(tokens, draft.ids, strict=False)
        )
        self.rounds += 1
        self.drafted += len(draft.ids)
        self.accepted += accepted
        if seconds is not None:
            self._depth.learn(draft.kind, len(draft.ids), accepted, seconds, draft.drafting_s)

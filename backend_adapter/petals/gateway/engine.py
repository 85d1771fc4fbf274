"""Generates answers: a conversation's session, a decoder over it, and the text of what comes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

from backend_adapter.petals.errors import CacheFullError, GenerationError
from backend_adapter.petals.gateway.conversations import Conversation, Conversations, Resumed
from backend_adapter.petals.gateway.faults import BusyError
from backend_adapter.petals.gateway.spelling import Spelling

_EXPIRE_EVERY_S = 5.0
FinishReason: TypeAlias = Literal["stop", "length"]


class Token(Protocol):
    """What is needed of `decode`'s tokens."""

    @property
    def id(self) -> int: ...

    @property
    def logprob(self) -> float | None: ...

    @property
    def top(self) -> tuple[tuple[int, float], ...]: ...


class Decoder(Protocol):
    """What is needed of `decode.loop.Decoder`: lists of tokens, one a round trip, and counters."""

    rounds: int
    drafted: int
    accepted: int

    def tokens(self, prompt: list[int], max_tokens: int) -> AsyncGenerator[list[Any], None]: ...


@dataclass(frozen=True)
class Job:
    """One request as it is generated.

    `sampling` are the fields of `decode.sampling.Sampling`; `grammar` is what the answer is held to (llguidance);
    `ends` are the tokens that end it, in addition to the model's own unless `ignore_eos`.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    sampling: dict[str, Any] = field(default_factory=dict)
    stops: tuple[str, ...] = ()
    ends: frozenset[int] = frozenset()
    ignore_eos: bool = False
    choices: int = 1
    grammar: str | None = None
    special: bool = False


@dataclass(frozen=True)
class Piece:
    """What one choice said: text, the tokens that it came with, and why it ended, if it did.

    `cached` is how many tokens of the prompt were in a kept conversation.
    """

    choice: int
    text: str = ""
    tokens: tuple[Token, ...] = ()
    finish: FinishReason | None = None
    cached: int = 0


@dataclass
class Figures:
    """What was done since the start."""

    began: float = field(default_factory=time.time)
    answers: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    rounds: int = 0
    drafted: int = 0
    accepted: int = 0
    reroutes: int = 0


# What is given are the tokens that end the answer.
MakeDecoder: TypeAlias = Callable[[Resumed, Job, frozenset[int]], Awaitable[Decoder]]


class Engine:
    """Answers `parallel` jobs at a time. `decode(ids, special)` gives text, `eos` are the model's own ends.

    An answer waits for room at the nodes for `patience_s` seconds.
    """

    def __init__(
        self,
        conversations: Conversations,
        decoder: MakeDecoder,
        decode: Callable[[Sequence[int], bool], str],
        eos: frozenset[int],
        *,
        parallel: int,
        patience_s: float,
    ) -> None:
        self.conversations = conversations
        self.figures = Figures()
        self._decoder, self._decode, self._eos = decoder, decode, eos
        self._parallel, self._patience_s = parallel, patience_s
        self._running = 0

    @property
    def running(self) -> int:
        """How many choices are generated now."""
        return self._running

    async def expire(self, crowded: Callable[[], bool], every_s: float = _EXPIRE_EVERY_S) -> None:
        """Free what was kept long enough, and one more where the nodes are `crowded`, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.conversations.expire()
            if crowded():
                await self.conversations.evict()

    async def answer(self, job: Job) -> AsyncGenerator[Piece, None]:
        """The pieces of the answer as they come, each choice ended by a piece with `finish`.

        Closing it ends the generation at once. Raises BusyError at the first piece, SwarmError at any.
        """
        if job.choices > self._parallel:
            raise GenerationError(
                f"{job.choices} answers at a time were asked for, and {self._parallel} may be.",
                "Ask for fewer.",
            )
        if self._running + job.choices > self._parallel:
            raise BusyError(
                f"{self._running} answers are being generated, and {self._parallel} may be at a time.",
                "Try again in a moment.",
            )
        self._running += job.choices
        self.figures.answers += 1
        self.figures.prompt_tokens += len(job.prompt)
        try:
            pieces = self._choice(job, 0) if job.choices == 1 else self._choices(job)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
        finally:
            self._running -= job.choices

    async def _choices(self, job: Job) -> AsyncGenerator[Piece, None]:
        """All choices side by side."""
        waiting: asyncio.Queue[Piece | BaseException] = asyncio.Queue(2 * job.choices)

        async def generate(choice: int) -> None:
            try:
                async with aclosing(self._choice(_seeded(job, choice), choice)) as pieces:
                    async for piece in pieces:
                        await waiting.put(piece)
            except Exception as error:  # noqa: BLE001 - it is raised where the pieces are read
                await waiting.put(error)

        tasks = [asyncio.create_task(generate(choice)) for choice in range(job.choices)]
        try:
            open_choices = job.choices
            while open_choices:
                piece = await waiting.get()
                if isinstance(piece, BaseException):
                    raise piece
                open_choices -= piece.finish is not None
                yield piece
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _choice(self, job: Job, choice: int) -> AsyncGenerator[Piece, None]:
        """One choice. A conversation for which the nodes have no room replaces one that is only kept, or waits."""
        time = asyncio.get_running_loop().time
        deadline = time() + self._patience_s
        while True:
            conversation = self.conversations.take(job.prompt, len(job.prompt) + job.max_tokens)
            begun = False
            sequence = list(job.prompt)
            try:
                async with aclosing(self._generate(job, choice, conversation, sequence)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except CacheFullError:
                await self.conversations.drop(conversation)
                if begun or not await self.conversations.make_room(max(0, deadline - time())):
                    raise
                continue
            except BaseException:
                # What it holds now nobody can say: a step may be under way.
                await asyncio.shield(self.conversations.drop(conversation))
                raise
            await self.conversations.give_back(conversation, sequence)
            return

    async def _generate(
        self, job: Job, choice: int, conversation: Conversation, sequence: list[int]
    ) -> AsyncGenerator[Piece, None]:
        """The pieces of one choice; what is generated is appended to `sequence`."""
        figures, cached = self.figures, conversation.common
        # A form ends where the model's own end comes.
        ends = job.ends if job.ignore_eos and job.grammar is None else job.ends | self._eos
        decoder = await self._decoder(conversation.resumed(), job, ends)
        writer = _Writer(self._spelling(job), ends)
        reroutes = getattr(conversation.session, "reroutes", 0)
        rounds = decoder.tokens(list(job.prompt), job.max_tokens)
        left = job.max_tokens
        try:
            async with aclosing(rounds) as told:
                async for tokens in told:
                    taken, pieces = writer.round(tokens[:left], choice)
                    left -= len(taken)
                    sequence += [token.id for token in taken]
                    figures.tokens += len(taken)
                    for piece in pieces:
                        yield replace(piece, cached=cached)
                    if writer.ended or not left:
                        break
            if not writer.ended:
                yield replace(writer.end(choice, "stop" if left else "length"), cached=cached)
            figures.cached_tokens += cached
        finally:
            figures.rounds += decoder.rounds
            figures.drafted += decoder.drafted
            figures.accepted += decoder.accepted
            figures.reroutes += getattr(conversation.session, "reroutes", 0) - reroutes

    def _spelling(self, job: Job) -> Spelling:
        return Spelling(lambda ids: self._decode(ids, job.special), job.stops, job.prompt)


class _Writer:
    """Makes pieces of the tokens of one choice."""

    def __init__(self, spelling: Spelling, ends: frozenset[int]) -> None:
        self._spelling, self._ends = spelling, ends
        self.ended = False

    def round(self, tokens: Sequence[Token], choice: int) -> tuple[list[Token], list[Piece]]:
        """The tokens up to the answer's end, and what they say.

        Tokens that say nothing yet come in a piece of their own, so that whoever goes on with the answer elsewhere
        knows which tokens the text stands for.
        """
        text, silent = "", 0
        taken: list[Token] = []
        for token in tokens:
            taken.append(token)
            if token.id in self._ends:
                self.ended = True
                text += self._spelling.end()
                break
            text += self._spelling.add(token.id)
            silent = 0 if self._spelling.whole else silent + 1
            if self._spelling.stopped:
                self.ended = True
                break
        if self.ended:
            return taken, [Piece(choice, text, tuple(taken), "stop")]
        parts = [(text, taken[: len(taken) - silent]), ("", taken[len(taken) - silent :])]
        return taken, [Piece(choice, said, tuple(those)) for said, those in parts if said or those]

    def end(self, choice: int, why: FinishReason) -> Piece:
        """What is still to be said where no more tokens come."""
        self.ended = True
        return Piece(choice, self._spelling.end(), (), why)


def _seeded(job: Job, choice: int) -> Job:
    """The job of one of several choices: the same seed would give the same answer."""
    seed = job.sampling.get("seed")
    if seed is None or not choice:
        return job
    return replace(job, sampling={**job.sampling, "seed": seed + choice})

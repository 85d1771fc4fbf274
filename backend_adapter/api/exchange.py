"""One question to a model and its answer, streamed or whole: what all routes that ask a model share."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from backend_adapter.api.leaving import About, Leaving
from backend_adapter.api.outcome import Outcome
from backend_adapter.api.parts import Parts
from backend_adapter.api.record import Record, record
from backend_adapter.api.respond import EventStream, json_response, while_connected
from backend_adapter.api.services import Services, services
from backend_adapter.chat.events import Part
from backend_adapter.chat.stages import Stage
from backend_adapter.egress.guard import Body
from backend_adapter.errors import AdapterError
from backend_adapter.routing.answering import Answering
from backend_adapter.routing.continuation import Ask
from backend_adapter.routing.quotas import Reservation
from backend_adapter.routing.replica import Replica
from backend_adapter.routing.selection import begins, conversation_key, estimate_tokens, order

log = logging.getLogger(__name__)


class Encoder(Protocol):
    """Builds a stream's bytes."""

    def frames(self, events: Sequence[Part]) -> bytes:
        """What says these events; may be nothing."""
        ...

    def sayer(self, write: Callable[[bytes], bool]) -> Callable[[str], bool]:
        """What writes one more piece of the only choice's text, and tells what `write` did."""
        ...

    def note(self, text: str) -> bytes:
        """A line about how the answer came about."""
        ...

    def end(self) -> bytes:
        """What closes a complete answer."""
        ...

    def error(self, body: dict[str, dict[str, str | None]]) -> bytes:
        """What closes an answer that is not complete."""
        ...


class Collector(Protocol):
    """Builds a whole answer."""

    def add(self, event: Part) -> None:
        """Take in the next event."""
        ...

    def body(self) -> dict[str, Any]:
        """The whole answer, once all events are in."""
        ...


@dataclass(frozen=True)
class Asked:
    """How one model is asked; `stages` makes the steps that one answer's events pass."""

    ask: Ask
    stages: Callable[[], list[Stage]]


@dataclass(frozen=True)
class Question:
    """What is asked of which model, and in which form the answer goes out.

    `of` says how a model is asked: it may be another one than the client wanted. `body` is what the client sent.
    `operation` is what it is called in figures.
    """

    model: str
    body: Body
    of: Callable[[str], Asked]
    operation: str
    stream: bool
    encoder: Callable[[], Encoder]
    collector: Callable[[], Collector]


async def respond(request: Request, question: Question) -> Response:
    """Answer a question; a client that leaves ends it. Raises AdapterError if nothing was answered."""
    kept, given = record(request), services(request)
    exchange = Exchange(request, given, question, kept)
    if question.stream:
        return EventStream(exchange, keep_alive_s=given.settings.keep_alive_s, record=kept)
    return json_response(await while_connected(request.receive, exchange.collect()))


class Exchange:
    """One question from its arrival to its answer's end: the frames of its stream, or its whole."""

    def __init__(self, request: Request, given: Services, question: Question, kept: Record) -> None:
        self._about = About.of(request)
        self._user = self._about.user
        self._prompt_estimate = 0
        self._conversation = b""
        self._given = given
        self._settings = given.settings
        self._question = question
        self._kept = kept
        self._encoder: Encoder | None = None
        self._parts: Parts | None = None
        self._held = AsyncExitStack()
        self._reservation: Reservation | None = None
        self._time = asyncio.get_running_loop().time
        self._outcome = Outcome(
            model=question.model,
            operation=question.operation,
            client=self._about.client,
            stream=question.stream,
            background=bool(self._about.task),
            task=self._about.task or None,
            started=self._time(),
        )
        self._ended = False

    # What a stream is made of.

    async def read(self) -> bytes:
        """The next bytes of the stream; empty at its end. Raises AdapterError."""
        encoder = self._encoder
        if encoder is None:
            encoder = self._encoder = self._question.encoder()
        while not self._ended:
            try:
                parts = await self._next()
            except AdapterError as error:
                self._fault(error)
                raise
            if parts:
                frames = encoder.frames(parts)
            else:
                self._ended = True
                frames = encoder.end()
            if self._parts is not None and self._parts.answering.notes:
                frames = self._notes(encoder) + frames
            if frames:
                return frames
        return b""

    async def flow(self, write: Callable[[bytes], bool]) -> None:
        """Hand bytes to `write` the moment what they say arrives, as long as it can take them.

        Whatever else there is, the end of the answer included, the next `read` tells.
        """
        encoder, parts, outcome = self._encoder, self._parts, self._outcome
        if encoder is None or parts is None or self._ended:
            return

        def take(new: list[Part]) -> bool:
            outcome.add(new)
            frames = encoder.frames(new)
            return not frames or write(frames)

        await parts.flow(take, encoder.sayer(write))

    def _notes(self, encoder: Encoder) -> bytes:
        notes = self._parts.answering.notes if self._parts is not None else []
        frames = b"".join(encoder.note(note) for note in notes)
        notes.clear()
        return frames

    def error(self, error: AdapterError) -> bytes:
        """The bytes that end an answer which is not complete."""
        encoder = self._encoder or self._question.encoder()
        return self._notes(encoder) + encoder.error(error.as_openai())

    # What a whole answer is made of.

    async def collect(self) -> dict[str, Any]:
        """The whole answer. Raises AdapterError."""
        collector = self._question.collector()
        try:
            while parts := await self._next():
                for part in parts:
                    collector.add(part)
            self._ended = True
            return collector.body()
        except AdapterError as error:
            self._fault(error)
            raise
        finally:
            await self.close()

    # What both share.

    async def _next(self) -> list[Part]:
        """The next parts; empty at the end of a complete answer. Raises AdapterError."""
        if self._parts is None:
            self._parts = await self._enter()
        parts = await self._parts.read()
        outcome = self._outcome
        if outcome.ttft_s is None:
            outcome.ttft_s = self._time() - outcome.started
        outcome.add(parts)
        return parts

    async def _enter(self) -> Parts:
        """Find who can answer, and wait for a place. Raises AdapterError."""
        question, settings, given = self._question, self._settings, self._given
        await given.pool.offering(question.model, settings.connect_timeout_s)
        leaves = await Leaving.decide(given, self._about, question.model, question.body)
        asked_of = question.of(leaves.model)
        ask = asked_of.ask
        prompt_tokens = self._prompt_estimate = ask.prompt_estimate
        cost = estimate_tokens(ask.limit, prompt_tokens)
        self._reservation = await given.quotas.reserve(self._user, prompt_tokens)
        place = given.admission(ask.model).place(
            self._user, cost=cost, background=self._outcome.background
        )
        arrived = self._time()
        await self._held.enter_async_context(place)
        self._outcome.queued_s = self._time() - arrived
        given.pool.turn += 1
        turn = given.pool.turn
        policy = settings.selection
        session = self._about.session.encode()
        key = session if policy == "session" else conversation_key(ask.body)
        home, new = given.pool.homes.of(key), begins(ask.body)
        self._conversation = key

        def replicas() -> list[Replica]:
            return order(
                leaves.allowed(given.pool.replicas(ask.model)),
                policy=policy,
                key=key,
                tokens=cost,
                turn=turn,
                now=self._time(),
                home=home,
                new=new,
            )

        protected = await leaves.first(ask)

        def answers(asked: Ask) -> Answering:
            # A call that the model has to make once more goes out as well.
            return Answering(
                asked if asked is protected else leaves.again(asked),
                replicas,
                cost=cost,
                hedge_after_s=settings.hedge_after_s,
                patience_s=settings.patience_s,
                sending=leaves.sending,
            )

        def stages() -> list[Stage]:
            return [*asked_of.stages(), *leaves.stages(protected)]

        parts = Parts(protected, answers, stages)
        if leaves.note:
            parts.answering.notes.append(leaves.note)
        return parts

    def _fault(self, error: AdapterError) -> None:
        self._outcome.error = error.code or error.type
        self._outcome.status = error.status

    async def close(self) -> None:
        """End the work for it, give its place on, and count what it came to."""
        parts = self._parts
        try:
            await self._held.aclose()
            if parts is not None:
                await parts.close()
        finally:
            # A client may leave at this very moment; what the answer has cost counts all the same.
            await self._count(parts)

    async def _count(self, parts: Parts | None) -> None:
        outcome = self._outcome
        if parts is not None:
            answering = parts.answering
            if answering.replica is not None:
                outcome.upstream = answering.replica.name
                self._given.pool.homes.note(self._conversation, answering.replica.name)
            outcome.passed_over = answering.passed_over
            outcome.gone_on_from = answering.gone_on_from
        if outcome.error is None and not self._ended:
            outcome.error, outcome.status = "client_left", 499
        outcome.duration_s = self._time() - outcome.started
        self._kept.tell(outcome)
        self._given.telemetry.finished(outcome)
        if self._reservation is not None:
            usage = outcome.usage
            spent = usage.total_tokens if usage else self._spent_so_far(parts)
            await self._reservation.settle(spent)

    def _spent_so_far(self, parts: Parts | None) -> int:
        """What an answer that was not completed has cost, about."""
        if parts is None or parts.answering.replica is None:
            return 0
        return self._prompt_estimate + parts.answering.pieces

"""One replica's attempt at an answer: asked in one way, read, accounted for, ended."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from backend_adapter.chat.decode import Tokens
from backend_adapter.chat.events import Event, Failure, Text, Usage
from backend_adapter.chat.ledger import Joiner, Ledger
from backend_adapter.chat.stages import Stage
from backend_adapter.errors import AdapterError, RequestError, UpstreamError, UpstreamTimeoutError
from backend_adapter.routing.continuation import Plan
from backend_adapter.routing.replica import Replica
from backend_adapter.upstreams.answer import UpstreamAnswer
from backend_adapter.upstreams.faults import REQUEST_FAULTS, unreadable


class Attempt:
    """What one replica says in answer to one plan; `begin` it, `read` it, `close` it in the end.

    `cost` is about how many tokens it takes. `before` are the token ids of what the client has already.
    """

    def __init__(
        self, replica: Replica, plan: Plan, cost: int, ledger: Ledger, before: Tokens | None = None
    ) -> None:
        self.replica = replica
        self.plan = plan
        self.ttft_s = 0.0
        self._cost = cost
        self._before = before
        self._joiner = None if plan.way == "anew" else Joiner(ledger, plan.start)
        # So many pieces of the answer are in the prompt instead of being generated.
        self._kept = 0 if plan.way in ("anew", "replay") else ledger.pieces
        self._reader: Stage | None = None
        self._answer: UpstreamAnswer | None = None

    async def begin(self, choices: int) -> list[Event]:
        """Ask, and wait for the first events that are new to the client.

        Raises AdapterError where there are none, and MismatchError where they do not fit what the client
        has; the attempt is closed then.
        """
        time = asyncio.get_running_loop().time
        asked = time()
        self.replica.begin(self._cost)
        try:
            plan = self.plan
            told: list[Event] = []
            if plan.reader is not None:
                raw = "" if plan.raw is None else await self._text_of(plan.raw)
                self._reader = plan.reader(raw)
                told = self._new([Text(raw)]) if raw else []
            self._answer = await self.replica.upstream.ask(plan.path, plan.body, choices)
            events = await self._answer.read()
            if events and isinstance(events[0], Failure):
                raise as_error(events[0])
            self.ttft_s = time() - asked
            self.replica.first_token_after(self.ttft_s)
            return [*told, *self._new(events)] or await self.read()
        except AdapterError as error:
            self.replica.failed(error)
            await self.close()
            raise
        except BaseException:
            await self.close()
            raise

    async def read(self) -> list[Event]:
        """The next events that are new to the client; empty at the end. Raises MismatchError."""
        answer = self._answer
        assert answer is not None  # noqa: S101 - only what was begun is read
        while events := await answer.read():
            if new := self._new(events):
                return new
        return []

    async def flow(self, sink: Callable[[list[Event]], bool]) -> None:
        """Hand events to `sink` the moment they arrive, while they need nothing but passing on."""
        if self._answer is not None and self._joiner is None and self._reader is None:
            await self._answer.flow(sink)

    def _new(self, events: list[Event]) -> list[Event]:
        if self._reader is not None:
            events = [out for event in events for out in self._reader.feed(event)]
        if self._joiner is not None:
            new = self._joiner.feed(events)
            # What is generated once more is not in the prompt.
            self._kept = max(0, self._kept - (len(events) - len(new)))
            events = new
            if self._joiner.joined:
                self._joiner = None
        if self._kept and events and isinstance(events[-1], Usage):
            events[-1] = self._whole(events[-1])
        return events

    def _whole(self, usage: Usage) -> Usage:
        """The token counts of the answer as if it had been given in one go."""
        exact = self._before if self.plan.way == "tokens" else None
        said = self._kept if exact is None else len(exact.generated)
        return msgspec.structs.replace(
            usage,
            prompt_tokens=max(0, usage.prompt_tokens - said),
            completion_tokens=usage.completion_tokens + said,
        )

    async def _text_of(self, tokens: Sequence[int]) -> str:
        """The text of token ids, special tokens included, as this upstream's tokenizer has it."""
        upstream = self.replica.upstream
        body = {"model": self.replica.model, "tokens": list(tokens)}
        raw = await upstream.post("detokenize", body, beside=True)
        try:
            return msgspec.json.decode(raw, type=_Detokenized).prompt
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise unreadable(upstream.name, "a detokenized text that cannot be read") from None

    @property
    def tokens(self) -> Tokens | None:
        """The ids of the whole answer up to here, where they are known."""
        if self._joiner is not None or self._answer is None:
            return self._before
        told = self._answer.tokens
        if self.plan.way in ("anew", "replay"):
            return told
        if self.plan.way == "tokens" and self._before is not None:
            return Tokens(self._before.prompt, [*self._before.generated, *told.generated])
        return None

    def failed(self, failure: Failure) -> None:
        """The answer has broken off."""
        self.replica.failed(as_error(failure))

    async def close(self) -> None:
        """End it; an answer that is not over is aborted."""
        if self._cost >= 0:
            self.replica.end(self._cost)
            self._cost = -1
        answer, self._answer = self._answer, None
        if answer is not None:
            await answer.close()


class _Detokenized(msgspec.Struct):
    prompt: str


def as_error(failure: Failure) -> AdapterError:
    """The failure as an error that can be raised; some are the request's own fault."""
    if failure.status in REQUEST_FAULTS:
        return RequestError(failure.message, code=failure.code, status=failure.status)
    kind = UpstreamTimeoutError if failure.status == 504 else UpstreamError
    return kind(failure.message, code=failure.code, status=failure.status)

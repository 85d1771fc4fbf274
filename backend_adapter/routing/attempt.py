"""One replica's attempt at an answer: asked in one way, read, accounted for, ended."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from backend_adapter.chat.decode import Tokens
from backend_adapter.chat.events import Event, Failure, Text, Usage
from backend_adapter.chat.ledger import Joiner, Ledger
from backend_adapter.chat.said_again import MismatchError
from backend_adapter.chat.stages import Stage
from backend_adapter.errors import AdapterError, RequestError, UpstreamError, UpstreamTimeoutError
from backend_adapter.routing.continuation import Plan, without_last
from backend_adapter.routing.replica import Replica
from backend_adapter.upstreams.answer import UpstreamAnswer
from backend_adapter.upstreams.client import Sending
from backend_adapter.upstreams.faults import REQUEST_FAULTS

# What an upstream answers to a path that it does not have.
_NOT_OFFERED = ("upstream_failed", "refused_by_upstream", "upstream_key_refused")
# Of UTF-8 (RFC 3629, section 3); a token has at least one.
_MAX_BYTES_OF_A_CHARACTER = 4


class Attempt:
    """What one replica says in answer to one plan; `begin` it, `read` it, `close` it in the end.

    `cost` is about how many tokens it takes. `before` are the token ids of what the client has already.
    """

    def __init__(
        self,
        replica: Replica,
        plan: Plan,
        cost: int,
        ledger: Ledger,
        before: Tokens | None = None,
        sending: Sending | None = None,
    ) -> None:
        self._sending = sending
        self.replica = replica
        self.plan = plan
        self.ttft_s = 0.0
        self._cost = cost
        self._before = before
        self._joiner = None if plan.way == "anew" else Joiner(ledger, plan.start)
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
            told: list[Event] = []
            raw = await self._text_before()
            plan = self.plan
            if plan.reader is not None:
                self._reader = plan.reader(raw)
                told = self._new([Text(raw)]) if raw else []
            self._answer = await self.replica.upstream.ask(
                plan.path, plan.body, choices, self._sending
            )
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

    async def flow(
        self, sink: Callable[[list[Event]], bool], say: Callable[[str], bool] | None
    ) -> None:
        """Hand events to `sink` and text to `say` the moment they arrive, while they need nothing more."""
        if self._answer is not None and self._joiner is None and self._reader is None:
            await self._answer.flow(sink, say)

    def _new(self, events: list[Event]) -> list[Event]:
        if self._reader is not None:
            events = [out for event in events for out in self._read(event)]
        if self._joiner is not None:
            events = self._joiner.feed(events)
            if self._joiner.joined:
                self._joiner = None
        if self.plan.kept and events and isinstance(events[-1], Usage):
            events[-1] = self._whole(events[-1])
        return events

    def _read(self, event: Event) -> Iterable[Event]:
        # What a reader holds back it would give out now, as the text it is not: whoever goes on says it again.
        if self._reader is None or isinstance(event, Failure):
            return (event,)
        return self._reader.feed(event)

    def _whole(self, usage: Usage) -> Usage:
        """The token counts of the answer as if it had been given in one go."""
        kept = self.plan.kept
        return msgspec.structs.replace(
            usage,
            prompt_tokens=max(0, usage.prompt_tokens - kept),
            completion_tokens=usage.completion_tokens + kept,
        )

    async def _text_before(self) -> str:
        """What the plan's token ids say, without half a character at the end, which is generated anew.

        vLLM 0.32 tells the whole prompt as its answer when it is asked to go on from half a character.
        """
        text = ""
        for _ in range(_MAX_BYTES_OF_A_CHARACTER):
            if not self.plan.raw:
                return text
            text = await self._text_of(self.plan.raw)
            if not text.endswith("\ufffd"):
                return text
            self.plan = without_last(self.plan)
        raise MismatchError("its last tokens are no text")

    async def _text_of(self, tokens: Sequence[int]) -> str:
        """The text of token ids, special tokens included, as this upstream's tokenizer has it.

        Raises MismatchError where it does not tell, as a gateway in front of an engine may not.
        """
        upstream = self.replica.upstream
        body = {"model": self.replica.model, "tokens": list(tokens)}
        try:
            raw = await upstream.post("detokenize", body, beside=True, sending=self._sending)
            text = msgspec.json.decode(raw, type=_Detokenized).prompt
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise MismatchError("it tells no text of token ids") from None
        except AdapterError as error:
            if error.code in _NOT_OFFERED:
                raise MismatchError("it tells no text of token ids") from None
            raise
        return text

    @property
    def tokens(self) -> Tokens | None:
        """The ids of the whole answer as far as its events tell it, where they are known."""
        if self._joiner is not None or self._answer is None:
            return self._before
        told = self._answer.tokens.known()
        if self.plan.way in ("anew", "replay"):
            return told
        if self.plan.way == "tokens" and self._before is not None:
            generated = [*self._before.generated[: self.plan.kept], *told.generated]
            return Tokens(self._before.prompt, generated, len(generated), told.whole)
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

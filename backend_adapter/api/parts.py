"""An answer's parts as the client gets them: read from whoever answers, normalised, and asked for once more
where the model made a tool call that cannot be used."""

from collections.abc import Callable, Sequence

import msgspec

from backend_adapter.chat.events import BrokenCall, Event, Failure, Part, Reasoning, Text
from backend_adapter.chat.ledger import Joiner, Ledger, Pieces, Start
from backend_adapter.chat.returned_call import returned_to_model
from backend_adapter.chat.said_again import MismatchError
from backend_adapter.chat.stages import Stage
from backend_adapter.errors import UpstreamError
from backend_adapter.routing.answering import Answering
from backend_adapter.routing.continuation import Ask


class Parts:
    """Read `read` until it gives nothing, and `close` it in the end.

    `answers` begins an answer to a request, `stages` makes the steps that the events of one answer pass.
    """

    def __init__(
        self, ask: Ask, answers: Callable[[Ask], Answering], stages: Callable[[], list[Stage]]
    ) -> None:
        self._ask = ask
        self._answers = answers
        self._make_stages = stages
        self._stages: Sequence[Stage] = stages()
        self.answering = answers(ask)
        # What the client has of calls, kept where one may have to be made once more.
        self._ledger = Ledger() if "tools" in ask.body else None
        self._joiner: Joiner | None = None
        self._returned = False
        # What the client has of a first answer, and not yet of a second one.
        self._said_before = set[type]()
        self._failure: Failure | None = None

    async def read(self) -> list[Part]:
        """The next parts; empty at the end of a complete answer. Raises AdapterError where it breaks off."""
        while self._failure is None:
            events = await self.answering.read()
            if not events:
                return []
            events = self._passed(events)
            if self._joiner is not None:
                events = self._rejoined(events)
            if events and isinstance(last := events[-1], Failure):
                self._failure = last
                events = events[:-1]
            if events:
                if self._ledger is not None:
                    self._ledger.add(events)
                return events  # type: ignore[return-value]
        return await self._after(self._failure)

    async def flow(self, sink: Callable[[list[Part]], bool], say: Callable[[str], bool]) -> None:
        """Hand parts to `sink` and text to `say` the moment they arrive, as long as all is well."""
        ledger = self._ledger
        # Most answers are plain text from some point on, at which no step looks any more.
        plain = self._ask.choices == 1 and all(stage.passes_text for stage in self._stages)

        def take(events: list[Event]) -> bool:
            events = self._passed(events)
            if events and isinstance(last := events[-1], Failure):
                self._failure = last
                events = events[:-1]
            if ledger is not None:
                ledger.add(events)
            more = not events or sink(events)  # type: ignore[arg-type]
            return more and self._failure is None

        if self._joiner is None and self._failure is None:
            await self.answering.flow(take, say if plain else None)

    def _passed(self, events: Sequence[Event]) -> list[Event]:
        """What of these comes out of all steps."""
        passed = list(events)
        for stage in self._stages:
            passed = [out for event in passed for out in stage.feed(event)]
        return [self._apart(event) for event in passed] if self._said_before else passed

    def _apart(self, event: Event) -> Event:
        """What the second answer says is no end of what the first one said: half a link, and its other half."""
        if isinstance(event, Text | Reasoning) and type(event) in self._said_before:
            self._said_before.remove(type(event))
            return msgspec.structs.replace(event, text=f"\n\n{event.text}")
        return event

    async def _after(self, failure: Failure) -> list[Part]:
        broken = failure.broken_call
        if broken is None or self._returned:
            raise UpstreamError(failure.message, code=failure.code, status=failure.status)
        await self._return_to_model(broken)
        self._failure = None
        return await self.read()

    async def _return_to_model(self, broken: BrokenCall) -> None:
        """Tell the model what is wrong with its call, and read what it says then."""
        self._returned = True
        await self.answering.close()
        before = self.answering
        body = returned_to_model(self._ask.body, broken)
        self.answering = self._answers(msgspec.structs.replace(self._ask, body=body))
        self.answering.follow(before)
        self._stages = self._make_stages()
        ledger = self._ledger
        if ledger is not None and broken.index in ledger.calls:
            start = Start(len(ledger.reasoning.text()), len(ledger.text.text()))
            self._joiner = Joiner(ledger, start)
        elif ledger is not None:
            said: dict[type, Pieces] = {Text: ledger.text, Reasoning: ledger.reasoning}
            self._said_before = {kind for kind, pieces in said.items() if pieces.text()}

    def _rejoined(self, events: Sequence[Event]) -> list[Event]:
        """The client has the beginning of the broken call: only one that begins alike can take its place."""
        joiner = self._joiner
        assert joiner is not None  # noqa: S101 - called with one
        # What the model says on its way to the call it has said before.
        calls = [event for event in events if not isinstance(event, Text | Reasoning)]
        try:
            new = joiner.feed(calls)
        except MismatchError as mismatch:
            message = f"The model's tool call cannot be used, nor its second try: {mismatch}."
            return [Failure(message, code="invalid_tool_call")]
        if joiner.joined:
            self._joiner = None
        return new

    async def close(self) -> None:
        """End the work for it."""
        await self.answering.close()

"""One answer to one request, whoever gives it.

A replica that fails before it has said anything is replaced by the next; after one that fails later,
another goes on from exactly there. The reader of an answer sees neither, but for a note.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from backend_adapter.chat.decode import Tokens
from backend_adapter.chat.events import Event, Failure, Finish, Usage
from backend_adapter.chat.ledger import LOOSE_PIECES, Ledger
from backend_adapter.chat.said_again import MismatchError
from backend_adapter.errors import AdapterError, NoUpstreamError, RequestError
from backend_adapter.routing.attempt import Attempt
from backend_adapter.routing.continuation import Ask, Plan, first, ways_on
from backend_adapter.routing.replica import Replica
from backend_adapter.upstreams.client import Sending
from backend_adapter.upstreams.faults import OVERLOADED

log = logging.getLogger(__name__)

# So often an answer is gone on with at the most: beyond it something is wrong with the request itself.
_MAX_CONTINUATIONS = 32
_TIMEOUT = "upstream_timeout"
# So often it is looked whether a replica is back, in seconds.
_PAUSE_S = 0.25


class Answering:
    """Read `read` until it gives nothing, and `close` it in the end, whatever happened.

    `order` gives the replicas as they are to be asked now; `cost` is about how many tokens it all takes.
    `notes` collects what people should know of how the answer came about; whoever shows them empties it.
    A server that has just failed may be starting again: `patience_s` is how long its return is waited for.
    `sending` is told of all that is about to be sent.
    """

    def __init__(
        self,
        ask: Ask,
        order: Callable[[], Sequence[Replica]],
        *,
        cost: int,
        hedge_after_s: float = 0,
        patience_s: float = 0,
        sending: Sending | None = None,
    ) -> None:
        self._ask = ask
        self._sending = sending
        self._order = order
        self._cost = cost
        self._hedge_after_s = hedge_after_s
        self._patience_s = patience_s
        self._ledger = Ledger()
        self._pieces_before = 0
        self._attempt: Attempt | None = None
        self._failure: Failure | None = None
        self._over = False
        self._counted = False
        # The ways on that were tried in vain since the answer last went on.
        self._tried: list[tuple[Replica, Plan]] = []
        # Those that did not begin in time: nobody waits as long for the same one twice.
        self._hung: set[Replica] = set()
        self.notes: list[str] = []
        self.ttft_s: float | None = None
        self.replica: Replica | None = None
        self.passed_over: list[str] = []
        self.gone_on_from: list[str] = []

    async def read(self) -> list[Event]:
        """The next events; the last is a Failure where nobody could go on. Empty at the end.

        Raises AdapterError where nobody has begun to answer.
        """
        if self._over:
            return []
        if self._failure is not None:
            return await self._go_on(self._failure)
        if self._attempt is None:
            return await self._given(await self._begin())
        try:
            return await self._given(await self._attempt.read())
        except MismatchError as mismatch:
            return await self._go_on(self._mismatched(mismatch))

    @property
    def pieces(self) -> int:
        """How many pieces the client has got, which is about how many tokens."""
        return self._pieces_before + self._ledger.pieces

    async def flow(
        self, sink: Callable[[list[Event]], bool], say: Callable[[str], bool] | None
    ) -> None:
        """Hand events to `sink` and text to `say` the moment they arrive, as long as all is well."""
        note, ledger = self._ledger.add, self._ledger
        pieces = ledger.text
        loose = pieces.loose

        def take(events: list[Event]) -> bool:
            note(events)
            return sink(events)

        def take_text(text: str) -> bool:
            # What `ledger.add` does, without its calls for each chunk.
            loose.append(text)
            if len(loose) >= LOOSE_PIECES:
                pieces.compact()
            ledger.phase = "text"
            return say(text)  # type: ignore[misc]

        if self._attempt is not None and self._failure is None and not self._over:
            self._tried.clear()
            await self._attempt.flow(take, take_text if say else None)

    async def _given(self, events: list[Event]) -> list[Event]:
        """Take note of what the client gets next."""
        if not events:
            self._over = True
            if self._attempt is not None:
                self._attempt.replica.circuit.succeeded()
            return self._missing_usage()
        last = events[-1]
        if isinstance(last, Failure):
            events = events[:-1]
            self._failure = last
        self._ledger.add(events)
        if events:
            self._tried.clear()
            self._counted = self._counted or isinstance(events[-1], Usage)
            return events
        return await self._go_on(last)  # type: ignore[arg-type]

    def _missing_usage(self, tokens: Tokens | None = None) -> list[Event]:
        """Token counts where the upstream told none: of its tokens, or else of what came, piece by piece."""
        if self._counted or self._ask.choices != 1:
            return []
        self._counted = True
        if tokens is not None and tokens.prompt:
            return [Usage(len(tokens.prompt), len(tokens.generated))]
        return [Usage(self._ask.prompt_estimate, self._ledger.pieces)]

    async def _begin(self) -> list[Event]:
        """Ask one replica after the other until one begins. Raises AdapterError."""
        errors: list[AdapterError] = []
        waiting = list(self._order())
        until = 0.0
        while True:
            while waiting:
                racing = waiting[:2] if self._hedge_after_s else waiting[:1]
                try:
                    return await (self._race(racing) if len(racing) > 1 else self._first(racing[0]))
                except RequestError:
                    raise
                except AdapterError as error:
                    errors.append(error)
                waiting = waiting[len(racing) :]
            until = until or self._lately() + self._patience_s
            if _now() >= until:
                raise _all_failed(errors)
            await asyncio.sleep(_PAUSE_S)
            waiting = [each for each in self._available() if each not in self._hung]

    def _lately(self) -> float:
        """When one of the replicas failed last, but for those whose silence has been waited for already."""
        replicas = [each for each in self._order() if each not in self._hung]
        return max((each.circuit.opened_at for each in replicas), default=0)

    async def _first(self, replica: Replica) -> list[Event]:
        engine = replica.upstream.settings.engine
        plan = first(self._ask, replica.capabilities, engine)
        attempt = Attempt(replica, plan, self._cost, self._ledger, sending=self._sending)
        try:
            events = await attempt.begin(self._ask.choices)
        except AdapterError as error:
            if replica.name not in self.passed_over:
                self.passed_over.append(replica.name)
            if error.code == _TIMEOUT:
                self._hung.add(replica)
            log.warning("Upstream %s did not begin to answer: %s", replica.name, error.code)
            raise
        if self._attempt is not None:
            await attempt.close()
            return []
        self._take(attempt)
        return events

    def _take(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self.replica = attempt.replica
        if self.ttft_s is None:
            self.ttft_s = attempt.ttft_s

    async def _race(self, replicas: Sequence[Replica]) -> list[Event]:
        """Ask a second replica where the first takes long; who begins first answers."""
        tasks: list[asyncio.Task[list[Event]]] = []
        last: AdapterError | None = None
        try:
            for replica in replicas:
                tasks.append(asyncio.ensure_future(self._first(replica)))
                patience = self._hedge_after_s if replica is not replicas[-1] else None
                pending = {task for task in tasks if not task.done()}
                while pending:
                    done, pending = await asyncio.wait(
                        pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                    )
                    for task in done:
                        error = task.exception()
                        if error is None:
                            if events := task.result():
                                return events
                            continue
                        if not isinstance(error, AdapterError) or isinstance(error, RequestError):
                            raise error
                        last = error
                    if patience is not None:
                        break
            raise last or NoUpstreamError("No replica began to answer.", "Try again in a moment.")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _mismatched(self, mismatch: MismatchError) -> Failure:
        name = self._attempt.replica.name if self._attempt else "?"
        return Failure(
            f"Upstream {name} went on with the answer in other words: {mismatch}.",
            code="continuation_mismatch",
        )

    async def _go_on(self, failure: Failure) -> list[Event]:
        """Have another replica go on, or say that none could."""
        self._failure = None
        broken, tokens = self._attempt, None
        if broken is not None:
            tokens = broken.tokens
            if failure.code != "continuation_mismatch":
                broken.failed(failure)
            await broken.close()
            self._attempt = None
        if self._ask.choices == 1 and self._ledger.phase == "finished":
            self._over = True
            return self._missing_usage(tokens)
        called = self._ask.choices == 1 and self._ledger.whole_call()
        if len(self.gone_on_from) < _MAX_CONTINUATIONS:
            until = _now() + self._patience_s
            replicas = self._others(broken.replica if broken else None, failure)
            while True:
                for replica in replicas:
                    events = await self._go_on_at(replica, tokens)
                    if events is not None and self._attempt is not None:
                        self._tell(broken, replica)
                        return await self._given(events)
                if called or _now() >= until or len(self._available()) == len(self._order()):
                    break
                await asyncio.sleep(_PAUSE_S)
                replicas = self._available()
        self._over = True
        if called:
            # Nothing of the call is missing but the word that it is over.
            return [Finish("tool_calls"), *self._missing_usage(tokens)]
        remedy = "No replica could go on with the answer." if len(self._order()) > 1 else ""
        return [
            Failure(f"{failure.message} {remedy}".strip(), code=failure.code, status=failure.status)
        ]

    def _available(self) -> list[Replica]:
        """Who can be asked now, in order."""
        now = _now()
        return [each for each in self._order() if each.circuit.closed and not each.busy(now)]

    def _others(self, broken: Replica | None, failure: Failure) -> list[Replica]:
        """Who may go on: the one that broke off last, and not at all if it hangs."""
        order = list(self._order())
        others = [replica for replica in order if replica is not broken]
        if broken in order and broken is not None and failure.code != _TIMEOUT:
            others.append(broken)
        return others

    async def _go_on_at(self, replica: Replica, tokens: Tokens | None) -> list[Event] | None:
        engine = replica.upstream.settings.engine
        for plan in ways_on(self._ask, self._ledger, tokens, replica.capabilities, engine):
            if (replica, plan) in self._tried:
                continue
            self._tried.append((replica, plan))
            attempt = Attempt(
                replica, plan, self._cost, self._ledger, tokens, sending=self._sending
            )
            try:
                events = await attempt.begin(self._ask.choices)
            except MismatchError as mismatch:
                log.info("Upstream %s, %s: %s.", replica.name, plan.way, mismatch)
            except RequestError as error:
                log.warning("Upstream %s refuses %s: %s", replica.name, plan.way, error.code)
            except AdapterError as error:
                log.warning("Upstream %s cannot go on: %s", replica.name, error.code)
                # That was the server's fault, not the plan's.
                self._tried.pop()
                return None
            else:
                self._take(attempt)
                return events
        return None

    def _tell(self, broken: Attempt | None, replica: Replica) -> None:
        name = broken.replica.name if broken else "?"
        self.gone_on_from.append(name)
        note = (
            f"{name} broke off and was asked again"
            if name == replica.name
            else f"{name} broke off, {replica.name} goes on"
        )
        self.notes.append(f"{note}; nothing is missing.")
        log.warning("Upstream %s broke off, %s goes on.", name, replica.name)

    def follow(self, before: "Answering") -> None:
        """This answer takes the place of one that could not be used; what was noted of that stays."""
        self.notes = before.notes
        self._pieces_before = before.pieces
        self.ttft_s = before.ttft_s
        self.passed_over = before.passed_over
        self.gone_on_from = before.gone_on_from

    async def close(self) -> None:
        """End it; an answer that is not over is aborted at its upstream."""
        self._over = True
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            await attempt.close()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _all_failed(errors: Sequence[AdapterError]) -> AdapterError:
    """What the client is told: the last fault, and overload only where that is all there was."""
    if not errors:
        return NoUpstreamError("No upstream could be asked.", "Try again in a moment.")
    faults = [error for error in errors if error.status != OVERLOADED]
    if faults:
        return faults[-1]
    waits = [error.retry_after_s for error in errors if error.retry_after_s]
    errors[-1].retry_after_s = min(waits, default=1)
    return errors[-1]

"""Steps that an answer's events pass on their way to the client, each a plain object without IO."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from backend_adapter.chat.events import Event


class Stage(Protocol):
    """One step: an event in, the events that replace it out, possibly none yet.

    `passes_text` tells, where an answer has one choice only, that its text passes unchanged from now on,
    until something else comes.

    A stream ends with Usage, Finish or Failure, so a stage that holds something back gives it out by then.
    """

    @property
    def passes_text(self) -> bool: ...

    def feed(self, event: Event) -> Iterable[Event]:
        """What `event` turns into, in order; consume it fully before feeding the next event."""
        ...


class Stages:
    """Several steps, one after the other."""

    def __init__(self, steps: Sequence[Stage]) -> None:
        self._steps = tuple(steps)

    @property
    def passes_text(self) -> bool:
        """Whether text passes all of them."""
        return all(step.passes_text for step in self._steps)

    def feed(self, event: Event) -> Iterable[Event]:
        """What `event` turns into after the last step."""
        events: Iterable[Event] = (event,)
        for step in self._steps:
            events = [out for each in events for out in step.feed(each)]
        return events

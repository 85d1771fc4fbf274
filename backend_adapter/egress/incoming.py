"""The step of an answer in which its pseudonyms become what they stand for again."""

from collections.abc import Callable, Collection, Iterable

import msgspec

from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.egress.defuse import Defusing
from backend_adapter.egress.restore import Restorable, Restoring
from backend_adapter.errors import EgressError

# What is being restored: of a choice its text, its thinking, or the arguments of one of its calls.
_Place = tuple[int, str, int]


class _Shown:
    """Text that people see: restored, and then so that no page that shows it loads anything by it."""

    def __init__(self, values: Restorable, link_hosts: Collection[str] | None) -> None:
        self._values = values
        self._defusing = None if link_hosts is None else Defusing(link_hosts)
        self._restoring = self._new()

    def _new(self) -> Restoring:
        # A page would load an address that a value is in.
        return Restoring(self._values, addresses=False, form="markdown")

    def feed(self, piece: str) -> str:
        return self._defused(self._restoring.feed(piece))

    def pause(self) -> str:
        """What is held back of a value, where something else comes; the text may go on after that."""
        said, self._restoring = self._restoring.end(), self._new()
        return self._defused(said)

    def end(self) -> str:
        return self.pause() + (self._defusing.end() if self._defusing is not None else "")

    def _defused(self, text: str) -> str:
        return text if self._defusing is None else self._defusing.feed(text)


class Restored:
    """Restores text, thinking and the arguments of calls; `values` are those of the request.

    Where `link_hosts` are given, links and pictures become text unless their host is one of them.

    A call of a tool for which `site_tool` says no leaves the site again: it keeps its pseudonyms and is held back
    until it is whole, for `leaving_call` (tool's name, arguments) to say what may go; that raises EgressError.
    """

    def __init__(
        self,
        values: Restorable,
        *,
        site_tool: Callable[[str], bool],
        leaving_call: Callable[[str, str], str],
        link_hosts: Collection[str] | None = None,
    ) -> None:
        self._values = values
        self._site_tool, self._leaving_call = site_tool, leaving_call
        self._link_hosts = link_hosts
        self._open: dict[_Place, _Shown | Restoring] = {}
        self._held: dict[_Place, list[ToolCallDelta]] = {}

    @property
    def passes_text(self) -> bool:
        """Where there is nothing to restore and nothing to make text of, nothing is looked at."""
        return not self._values and self._link_hosts is None

    def feed(self, event: Event) -> Iterable[Event]:
        """What the client gets for `event`; what is held back of a part comes when another one begins."""
        try:
            yield from self._feed(event)
        except EgressError as error:
            yield Failure(str(error), error.type, error.code, error.status)

    def _feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Text | Reasoning):
            kind = "text" if isinstance(event, Text) else "reasoning"
            place = (event.choice, kind, 0)
            yield from self._end(event.choice, but=place)
            if said := self._restoring(place).feed(event.text):
                yield msgspec.structs.replace(event, text=said)
        elif isinstance(event, ToolCallDelta):
            place = (event.choice, "call", event.index)
            yield from self._end(event.choice, but=place)
            yield from self._call(place, event)
        elif isinstance(event, Finish):
            yield from self._end(event.choice)
            yield event
        elif isinstance(event, Usage):
            yield from self._end_all()
            yield event
        elif isinstance(event, Failure):
            # A call that is not whole must not go out: nobody has looked through it.
            self._held.clear()
            yield from self._end_all()
            yield event
        else:
            yield event

    def _call(self, place: _Place, event: ToolCallDelta) -> Iterable[Event]:
        name = self._name(event.name)
        if place in self._held or (name is not None and not self._site_tool(name)):
            self._held.setdefault(place, []).append(event)
            return
        said = self._restoring(place).feed(event.arguments)
        if said or event.id is not None or name is not None:
            yield msgspec.structs.replace(event, name=name, arguments=said)

    def _name(self, name: str | None) -> str | None:
        """A tool's name, which comes whole."""
        if name is None:
            return None
        restoring = Restoring(self._values)
        return restoring.feed(name) + restoring.end()

    def _restoring(self, place: _Place) -> _Shown | Restoring:
        if place not in self._open:
            # A tool of the site needs the value everywhere.
            self._open[place] = (
                Restoring(self._values, form="json")
                if place[1] == "call"
                else _Shown(self._values, self._link_hosts)
            )
        return self._open[place]

    def _end_all(self) -> Iterable[Event]:
        for choice in sorted({choice for choice, _, _ in (*self._open, *self._held)}):
            yield from self._end(choice)

    def _end(self, choice: int, but: _Place | None = None) -> Iterable[Event]:
        """What is held back of a choice; with `but`, that place goes on, and the others may later."""
        for place in [each for each in self._open if each[0] == choice and each != but]:
            _, kind, index = place
            said = self._rest(place, over=but is None)
            if not said:
                continue
            if kind == "text":
                yield Text(said, choice)
            elif kind == "reasoning":
                yield Reasoning(said, choice)
            else:
                yield ToolCallDelta(index, arguments=said, choice=choice)
        for place in [each for each in self._held if each[0] == choice and each != but]:
            yield self._whole(self._held.pop(place))

    def _rest(self, place: _Place, *, over: bool) -> str:
        part = self._open[place]
        if isinstance(part, _Shown) and not over:
            return part.pause()
        del self._open[place]
        return part.end()

    def _whole(self, deltas: list[ToolCallDelta]) -> ToolCallDelta:
        """A call for a tool outside the site, as it may go there. Raises EgressError."""
        first = deltas[0]
        name = self._name(first.name) or ""
        arguments = self._leaving_call(name, "".join(delta.arguments for delta in deltas))
        return msgspec.structs.replace(first, name=name, arguments=arguments)

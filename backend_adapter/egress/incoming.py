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
)
from backend_adapter.egress.defuse import Defusing
from backend_adapter.egress.restore import Restorable, Restoring
from backend_adapter.errors import EgressError

# What is being restored: of a choice its text, its thinking, or the arguments of one of its calls.
_Place = tuple[int, str, int]


class _Shown:
    """Text that people see: restored, and then so that no page that shows it loads anything by it."""

    def __init__(self, values: Restorable, link_hosts: Collection[str] | None) -> None:
        # A page would load an address that a value is in.
        self._restoring = Restoring(values, addresses=False, form="markdown")
        self._defusing = None if link_hosts is None else Defusing(link_hosts)

    def feed(self, piece: str) -> str:
        return self._defused(self._restoring.feed(piece))

    def interrupted(self) -> str:
        """What ends code that is open, where something else comes before the text goes on."""
        return "" if self._defusing is None else self._defusing.interrupted()

    def pause(self) -> str:
        """What is held back of a value as well, where the text may go on apart from what came."""
        return self._defused(self._restoring.end()) + self.interrupted()

    def end(self) -> str:
        said = self._defused(self._restoring.end())
        return said + ("" if self._defusing is None else self._defusing.end())

    def _defused(self, text: str) -> str:
        return text if self._defusing is None else self._defusing.feed(text)


class Restored:
    """Restores text, thinking and the arguments of calls; `values` are those of the request.

    Where `link_hosts` are given, links and pictures become text unless their host is one of them.

    An upstream may cut each of these wherever it wants and have others come in between: whoever gets them puts the
    pieces together, so what is known of each lasts until its choice ends.

    A call of a tool for which `site_tool` says no leaves the site again: it keeps its pseudonyms and is held back
    until it is whole, for `leaving_call` (tool's name, arguments) to say what may go. Where it must not, the answer
    ends with a Failure, after which nothing more comes.
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
        self._shown: dict[_Place, _Shown] = {}
        self._calls: dict[_Place, Restoring] = {}
        self._held: dict[_Place, list[ToolCallDelta]] = {}
        self._failed = False

    @property
    def passes_text(self) -> bool:
        """Where there is nothing to restore and nothing to make text of, nothing is looked at."""
        return not self._values and self._link_hosts is None and not self._failed

    def feed(self, event: Event) -> Iterable[Event]:
        """What the client gets for `event`; what is held back comes by the end of its choice."""
        if self._failed:
            return
        try:
            yield from self._feed(event)
        except EgressError as error:
            self._failed = True
            yield Failure(str(error), error.type, error.code, error.status)

    def _feed(self, event: Event) -> Iterable[Event]:
        if isinstance(event, Text | Reasoning):
            place = (event.choice, "text" if isinstance(event, Text) else "reasoning", 0)
            if place not in self._shown:
                self._shown[place] = _Shown(self._values, self._link_hosts)
            for each, shown in self._shown.items():
                if each[0] == event.choice and each != place and (said := shown.interrupted()):
                    yield _said(each, said)
            if said := self._shown[place].feed(event.text):
                yield msgspec.structs.replace(event, text=said)
        elif isinstance(event, ToolCallDelta):
            yield from self._call(event)
        elif isinstance(event, Finish):
            yield from self._end(event.choice)
            yield event
        elif isinstance(event, Failure):
            # A call that is not whole must not go out: nobody has looked through it.
            self._held.clear()
            for choice in sorted({choice for choice, _, _ in (*self._shown, *self._calls)}):
                yield from self._end(choice)
            yield event
        else:
            yield event

    def _call(self, event: ToolCallDelta) -> Iterable[Event]:
        place = (event.choice, "call", event.index)
        if place not in self._calls and place not in self._held:
            yield from self._begin(place, event)
        elif place in self._held:
            self._held[place].append(event)
        elif said := self._calls[place].feed(event.arguments):
            # Its name was judged when it began, so no later piece may give it another one.
            yield ToolCallDelta(event.index, arguments=said, choice=event.choice)

    def _begin(self, place: _Place, event: ToolCallDelta) -> Iterable[Event]:
        """The first piece of a call, which has its name."""
        # Where answers are made of items, text that comes after a call is another one than the text before it.
        for each, shown in self._shown.items():
            if each[0] == event.choice and (said := shown.pause()):
                yield _said(each, said)
        name = self._name(event.name)
        if self._site_tool(name):
            # A tool of the site needs the value everywhere.
            self._calls[place] = Restoring(self._values, form="json")
            said = self._calls[place].feed(event.arguments)
            yield msgspec.structs.replace(event, name=name, arguments=said)
        else:
            self._held[place] = [event]

    def _name(self, name: str | None) -> str:
        """A tool's name, which comes whole."""
        restoring = Restoring(self._values)
        return restoring.feed(name or "") + restoring.end()

    def _end(self, choice: int) -> Iterable[Event]:
        """What is held back of a choice, none of which goes on."""
        for place in [each for each in (*self._shown, *self._calls) if each[0] == choice]:
            part = self._shown.pop(place, None) or self._calls.pop(place)
            if said := part.end():
                yield _said(place, said)
        for place in [each for each in self._held if each[0] == choice]:
            yield self._whole(self._held.pop(place))

    def _whole(self, deltas: list[ToolCallDelta]) -> ToolCallDelta:
        """A call for a tool outside the site, as it may go there. Raises EgressError."""
        first = deltas[0]
        name = self._name(first.name)
        arguments = self._leaving_call(name, "".join(delta.arguments for delta in deltas))
        return msgspec.structs.replace(first, name=name, arguments=arguments)


def _said(place: _Place, text: str) -> Event:
    choice, kind, index = place
    if kind == "text":
        return Text(text, choice)
    if kind == "reasoning":
        return Reasoning(text, choice)
    return ToolCallDelta(index, arguments=text, choice=choice)

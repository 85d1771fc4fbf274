"""The step of an answer in which its pseudonyms become what they stand for again."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping

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
from backend_adapter.egress.restore import Restoring
from backend_adapter.errors import EgressError

# What is being restored: of a choice its text, its thinking, or the arguments of one of its calls.
_Place = tuple[int, str, int]


class Restored:
    """Restores text, thinking and the arguments of calls; `values` are those of the chat, by pseudonym.

    A call of a tool for which `site_tool` says no leaves the site again: it keeps its pseudonyms and is held back
    until it is whole, for `leaving_call` (tool's name, arguments) to say what may go; that raises EgressError.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        *,
        site_tool: Callable[[str], bool],
        leaving_call: Callable[[str, str], str],
        link_hosts: Collection[str] = (),
    ) -> None:
        self._values = values
        self._site_tool, self._leaving_call = site_tool, leaving_call
        self._open: dict[_Place, Restoring] = {}
        self._held: dict[_Place, list[ToolCallDelta]] = {}

    @property
    def passes_text(self) -> bool:
        """Where there is nothing to restore, nothing is looked at."""
        return not self._values

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

    def _restoring(self, place: _Place) -> Restoring:
        if place not in self._open:
            # A tool of the site needs the value everywhere; a page would load an address that it is in.
            self._open[place] = (
                Restoring(self._values, _in_json)
                if place[1] == "call"
                else Restoring(self._values, addresses=False)
            )
        return self._open[place]

    def _end_all(self) -> Iterable[Event]:
        for choice in sorted({choice for choice, _, _ in (*self._open, *self._held)}):
            yield from self._end(choice)

    def _end(self, choice: int, but: _Place | None = None) -> Iterable[Event]:
        for place in [each for each in self._open if each[0] == choice and each != but]:
            _, kind, index = place
            if said := self._open.pop(place).end():
                if kind == "text":
                    yield Text(said, choice)
                elif kind == "reasoning":
                    yield Reasoning(said, choice)
                else:
                    yield ToolCallDelta(index, arguments=said, choice=choice)
        for place in [each for each in self._held if each[0] == choice and each != but]:
            yield self._whole(self._held.pop(place))

    def _whole(self, deltas: list[ToolCallDelta]) -> ToolCallDelta:
        """A call for a tool outside the site, as it may go there. Raises EgressError."""
        first = deltas[0]
        name = self._name(first.name) or ""
        arguments = self._leaving_call(name, "".join(delta.arguments for delta in deltas))
        return msgspec.structs.replace(first, name=name, arguments=arguments)


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]

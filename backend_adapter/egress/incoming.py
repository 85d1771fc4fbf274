"""The step of an answer in which its pseudonyms become what they stand for again."""

import json
from collections.abc import Iterable, Mapping

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

# What is being restored: of a choice its text, its thinking, or the arguments of one of its calls.
_Place = tuple[int, str, int]


class Restored:
    """Restores text, thinking and the arguments of calls; `values` are those of the chat, by pseudonym."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._open: dict[_Place, Restoring] = {}

    @property
    def passes_text(self) -> bool:
        """Where there is nothing to restore, nothing is looked at."""
        return not self._values

    def feed(self, event: Event) -> Iterable[Event]:
        """What the client gets for `event`; what is held back of a part comes when another one begins."""
        if isinstance(event, Text | Reasoning):
            kind = "text" if isinstance(event, Text) else "reasoning"
            place = (event.choice, kind, 0)
            yield from self._end(event.choice, but=place)
            if said := self._restoring(place).feed(event.text):
                yield msgspec.structs.replace(event, text=said)
        elif isinstance(event, ToolCallDelta):
            place = (event.choice, "call", event.index)
            yield from self._end(event.choice, but=place)
            said = self._restoring(place).feed(event.arguments)
            if said or event.id is not None or event.name is not None:
                yield msgspec.structs.replace(event, name=self._name(event.name), arguments=said)
        elif isinstance(event, Finish):
            yield from self._end(event.choice)
            yield event
        elif isinstance(event, Usage | Failure):
            for choice in sorted({choice for choice, _, _ in self._open}):
                yield from self._end(choice)
            yield event
        else:
            yield event

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


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1]

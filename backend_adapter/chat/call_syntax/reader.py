"""Reads tool calls out of the text of an answer, in whichever syntax its model writes them."""

import re
from collections.abc import Iterable, Sequence, Set

from backend_adapter.chat.call_syntax import deepseek, hermes
from backend_adapter.chat.call_syntax.deepseek import read_deepseek
from backend_adapter.chat.call_syntax.hermes import read_hermes
from backend_adapter.chat.call_syntax.plain_json import read_plain_json
from backend_adapter.chat.call_syntax.source import Reading, Source, TooLongError
from backend_adapter.chat.events import Event, Failure, Finish, Text, ToolCallDelta, Usage
from backend_adapter.chat.markers import partial_marker, parts_of
from backend_adapter.chat.tool_schema import Tool

_SYNTAXES = {
    hermes.OPEN: read_hermes,
    deepseek.SECTION: read_deepseek,
    deepseek.CALL: read_deepseek,
}
_OPENINGS = tuple(_SYNTAXES)
_OPENING = re.compile("|".join(_OPENINGS))


def _read_answer(source: Source, tools: Set[str]) -> Reading[None]:
    yield from read_plain_json(source, tools)
    # At the beginning and after a call, white space belongs to the syntax if a call follows.
    gap = True
    while True:
        at = (yield from source.skip(0)) if gap else 0
        opening = yield from source.marker(at, _OPENINGS)
        if opening:
            gap = yield from _SYNTAXES[opening](source, at, tools)
            continue
        if at < len(source.text):
            gap = False
            source.give_text(_text_end(source))
        elif source.ended:
            if not source.called:
                source.give_text(at)
            return
        else:
            yield from source.more()


def _text_end(source: Source) -> int:
    """How much of the text certainly stands before any opening."""
    found = _OPENING.search(source.text)
    if found:
        return found.start()
    return len(source.text) - (0 if source.ended else partial_marker(source.text, _OPENINGS))


class _Choice:
    def __init__(self, number: int, tools: Set[str]) -> None:
        self.source = Source(number)
        self._reading = _read_answer(self.source, tools)
        self._begun = False
        self.failed = False

    def passes(self, text: str) -> bool:
        """Whether `text` is nothing but text, right after nothing but text."""
        return self._begun and not self.source.text and "<" not in text

    def read(self, text: str = "") -> list[Event]:
        source = self.source
        source.text += text
        try:
            next(self._reading)
        except StopIteration:
            pass
        except TooLongError:
            self.failed = True
            source.fail()
        events, source.events = source.events, []
        self._begun = bool(events) and isinstance(events[-1], Text)
        return events

    def end(self) -> list[Event]:
        """What is held back, now that the text is complete."""
        self.source.ended = True
        return self.read()


class TextCalls:
    """A stage that turns calls of the offered tools, written into the text, into tool-call deltas.

    Hermes, DeepSeek and plain JSON are understood. Arguments leave as they arrive and as the model
    wrote them. What turns out to be no call of an offered tool leaves as the text it is. The finish
    reason becomes `tool_calls` when a complete answer made a call. After a Failure nothing more comes.
    """

    passes_text = False

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = frozenset(tool.name for tool in tools)
        self._choices: dict[int, _Choice] = {}
        self._failed = False

    def feed(self, event: Event) -> Iterable[Event]:
        if self._failed:
            return ()
        if isinstance(event, Usage):
            return (event,)
        if isinstance(event, Failure):
            return [*(held for choice in self._choices.values() for held in choice.end()), event]
        choice = self._choices.get(event.choice)
        if choice is None:
            choice = self._choices[event.choice] = _Choice(event.choice, self._tools)
        if isinstance(event, Text):
            if choice.passes(event.text):
                return (event,)
            events = [out for part in parts_of(event.text) for out in choice.read(part)]
            self._failed = choice.failed
            return events
        if isinstance(event, ToolCallDelta):
            # The engine has read this one by itself.
            choice.source.next_index = max(choice.source.next_index, event.index + 1)
        if not isinstance(event, Finish):
            return (event,)
        events = choice.end()
        del self._choices[event.choice]
        if choice.failed:
            self._failed = True
            return events
        called = choice.source.called and event.reason == "stop"
        return [*events, Finish("tool_calls", event.choice) if called else event]

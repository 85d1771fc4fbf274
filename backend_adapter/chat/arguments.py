"""A tool call's arguments are one JSON object when they leave the adapter, or the answer fails."""

from collections.abc import Iterable, Sequence

from backend_adapter.chat.argument_repair import repair
from backend_adapter.chat.events import (
    BrokenCall,
    Event,
    Failure,
    Finish,
    Text,
    ToolCallDelta,
)
from backend_adapter.chat.json_prefix import ObjectPrefix
from backend_adapter.chat.tool_schema import Tool

# Longest arguments of one call, in characters: what a model can write in one answer.
MAX_ARGUMENTS = 1_048_576
# How much of a call that cannot be right is kept for a repair, in characters.
MAX_HELD = 65_536


class _Call:
    """One call: what has been sent of its arguments, and what is held back."""

    def __init__(self, first: ToolCallDelta) -> None:
        self.index = first.index
        self.id = first.id or ""
        self.name = first.name or ""
        self._choice = first.choice
        self._prefix = ObjectPrefix()
        self._sent: list[str] = []
        # A comma waits for what it separates, because one before a closing bracket is left out.
        self._comma = ""
        self._wrong: list[str] = []
        self._sent_length = 0
        self._wrong_length = 0
        self._reason = ""

    def add(self, delta: ToolCallDelta) -> ToolCallDelta | Failure | None:
        """What of `delta` can be sent now."""
        text = delta.arguments
        if self._wrong:
            passing = ""
            self._hold(text)
        else:
            impossible = self._prefix.feed(text)
            passing = self._comma + (text if impossible is None else text[:impossible])
            self._comma = ""
            if self._prefix.after_comma:
                comma = passing.rindex(",")
                passing, self._comma = passing[:comma], passing[comma:]
            if impossible is not None:
                where = self._sent_length + len(passing) + len(self._comma) + 1
                self._reason = f"character {where} cannot stand there"
                self._hold(text[impossible:])
        if passing:
            self._sent.append(passing)
            self._sent_length += len(passing)
        if self._sent_length > MAX_ARGUMENTS or self._wrong_length > MAX_HELD:
            return _failure(self.name, "they are longer than a call can be", None)
        if not passing and not delta.name:
            return None
        return delta if passing == text else self._delta(passing, delta)

    def end(self, *, cut_off: bool, requires_arguments: bool) -> ToolCallDelta | Failure | None:
        """The rest of the call, now that nothing more of it comes; a Failure if it is of no use."""
        sent = "".join(self._sent)
        held = self._comma + "".join(self._wrong)
        if not held and self._prefix.complete:
            return None
        if cut_off:
            return self._delta(held) if held else None
        repaired = repair(sent + held, requires_arguments=requires_arguments)
        if repaired is not None and repaired.startswith(sent):
            return self._delta(repaired[len(sent) :]) if len(repaired) > len(sent) else None
        reason = self._reason or self._prefix.missing
        return _failure(
            self.name,
            reason,
            BrokenCall(self.index, self.id, self.name, sent + held, reason),
        )

    def _hold(self, text: str) -> None:
        if text:
            self._wrong.append(text)
            self._wrong_length += len(text)

    def _delta(self, arguments: str, first: ToolCallDelta | None = None) -> ToolCallDelta:
        return ToolCallDelta(
            self.index,
            first.id if first else None,
            first.name if first else None,
            arguments,
            self._choice,
        )


def _failure(name: str, reason: str, broken: BrokenCall | None) -> Failure:
    return Failure(
        f"The model's call of {name} cannot be used: its arguments are no JSON object, {reason}. "
        "Ask again, or choose a larger model.",
        code="invalid_tool_call",
        broken_call=broken,
    )


class ArgumentsCheck:
    """The last stage of every answer to a request with tools.

    Arguments pass as long as they can become one JSON object. From the first character that cannot
    be, the rest of the call is held back until it ends and sent repaired, if there is one repair and
    it goes on from what has been sent. Otherwise the answer ends with a Failure of the code
    `invalid_tool_call`, after which nothing more comes. A call that the token limit or a filter cut
    off passes as it is, because the finish reason says so.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._required = {tool.name for tool in tools if tool.parameters.get("required")}
        self._open: dict[int, _Call] = {}
        self._ended: dict[int, set[int]] = {}
        self._failed = False

    @property
    def passes_text(self) -> bool:
        """Text is no argument."""
        return not self._failed

    def feed(self, event: Event) -> Iterable[Event]:
        if self._failed:
            return ()
        if isinstance(event, Text):
            return (event,)
        events = self._checked(event)
        self._failed = bool(events) and isinstance(events[-1], Failure)
        return events

    def _checked(self, event: Event) -> Sequence[Event]:
        if isinstance(event, ToolCallDelta):
            return self._delta(event)
        if isinstance(event, Finish):
            cut_off = event.reason in ("length", "content_filter")
            return self._end(event.choice, event, cut_off=cut_off)
        return (event,)

    def _delta(self, event: ToolCallDelta) -> Sequence[Event]:
        call = self._open.get(event.choice)
        if call is None or call.index != event.index:
            ended = self._ended.setdefault(event.choice, set())
            if event.index in ended:
                if not event.arguments.strip():
                    return ()
                return (_failure("a tool", "they go on after another call has begun", None),)
            before = self._end(event.choice, None, cut_off=False)
            if before and isinstance(before[-1], Failure):
                return before
            call = self._open[event.choice] = _Call(event)
            part = call.add(event)
            return [*before, part] if part is not None else before
        part = call.add(event)
        return (part,) if part is not None else ()

    def _end(self, choice: int, finish: Finish | None, *, cut_off: bool) -> list[Event]:
        events: list[Event] = []
        call = self._open.pop(choice, None)
        if call is not None:
            self._ended.setdefault(choice, set()).add(call.index)
            rest = call.end(cut_off=cut_off, requires_arguments=call.name in self._required)
            if rest is not None:
                events.append(rest)
            if isinstance(rest, Failure):
                return events
        if finish is not None:
            events.append(finish)
        return events

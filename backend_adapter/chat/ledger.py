"""What a client has of one answer, so that another replica can go on from exactly there.

A ledger is kept of every answer that may be gone on with, event by event, and before anything is
normalised: what it holds is what the upstreams said.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from backend_adapter.chat.events import Event, Finish, Reasoning, Text, ToolCallDelta

Phase: TypeAlias = Literal["nothing", "reasoning", "text", "call", "finished"]

# Pieces are put together when there are so many, to save memory in long answers, but for the last ones:
# how many of them a cut takes away has to be known.
_LOOSE_PIECES = 256
_LAST_PIECES = 64


class Pieces:
    """A text that grows piece by piece; a piece is about a token."""

    __slots__ = ("_pieces", "count")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self.count = 0

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        self.count += 1
        if len(self._pieces) >= _LOOSE_PIECES:
            self._pieces[:-_LAST_PIECES] = ["".join(self._pieces[:-_LAST_PIECES])]

    def text(self) -> str:
        """The whole of it."""
        return "".join(self._pieces)

    def beyond(self, end: int) -> int:
        """How many pieces are not within its first `end` characters."""
        position = sum(map(len, self._pieces))
        beyond = 0
        for piece in reversed(self._pieces):
            if position <= end:
                break
            position -= len(piece)
            beyond += 1
        return beyond


class Call:
    """One tool call as far as it was made."""

    __slots__ = ("arguments", "id", "name")

    def __init__(self, call_id: str, name: str) -> None:
        self.id = call_id
        self.name = name
        self.arguments = Pieces()


class Ledger:
    """The first choice of an answer so far; `pieces` counts what arrived, which is about its tokens."""

    def __init__(self) -> None:
        self.phase: Phase = "nothing"
        self.reasoning = Pieces()
        self.text = Pieces()
        self.calls: dict[int, Call] = {}
        self.pieces = 0

    def add(self, events: Sequence[Event]) -> None:
        """Note what the client gets."""
        for event in events:
            kind = type(event)
            if kind is Text:
                self.text.add(event.text)  # type: ignore[union-attr]
                self.phase = "text"
                self.pieces += 1
            elif kind is Reasoning:
                self.reasoning.add(event.text)  # type: ignore[union-attr]
                self.phase = "reasoning"
                self.pieces += 1
            elif isinstance(event, ToolCallDelta):
                self._call(event)
                self.pieces += 1
            elif isinstance(event, Finish):
                self.phase = "finished"

    def _call(self, event: ToolCallDelta) -> None:
        self.phase = "call"
        call = self.calls.get(event.index)
        if call is None:
            call = self.calls[event.index] = Call(event.id or "", event.name or "")
        if event.arguments:
            call.arguments.add(event.arguments)

    def last_call(self) -> Call | None:
        """The call that was being made, if the answer stopped within one."""
        return self.calls[max(self.calls)] if self.phase == "call" and self.calls else None

    def whole_call(self) -> bool:
        """Whether the answer stopped after a call whose arguments are one JSON object."""
        call = self.last_call()
        if call is None:
            return False
        try:
            return isinstance(msgspec.json.decode(call.arguments.text()), dict)
        except (msgspec.MsgspecError, RecursionError):
            return False


class Start(msgspec.Struct, frozen=True):
    """From where an upstream goes on: so many characters of each part stand in its prompt already."""

    reasoning: int = 0
    text: int = 0
    # Of the last call; the calls before it are in the prompt as well where this is not None.
    arguments: int | None = None


class MismatchError(Exception):
    """An upstream that goes on with an answer says something else than the client already has."""


class Joiner:
    """Passes on what is new of an answer that goes on, and checks what is not.

    The events fed say the answer from `start`; those come out that go beyond the ledger. So the client
    gets no character twice and none is missing, however much an upstream repeats.
    """

    def __init__(self, ledger: Ledger, start: Start) -> None:
        self._reasoning = ledger.reasoning.text()
        self._text = ledger.text.text()
        self._calls = ledger.calls
        self._at_reasoning = start.reasoning
        self._at_text = start.text
        self._at_arguments: dict[int, int] = {}
        if start.arguments is not None:
            self._at_arguments = {
                index: len(call.arguments.text()) for index, call in ledger.calls.items()
            }
            self._at_arguments[max(ledger.calls)] = start.arguments

    @property
    def joined(self) -> bool:
        """Whether everything that the client has was said again."""
        return (
            self._at_reasoning >= len(self._reasoning)
            and self._at_text >= len(self._text)
            and all(
                self._at_arguments.get(index, -1) >= len(call.arguments.text())
                for index, call in self._calls.items()
            )
        )

    def feed(self, events: Sequence[Event]) -> list[Event]:
        """What of `events` is new to the client. Raises MismatchError."""
        new: list[Event] = []
        for event in events:
            if isinstance(event, Text):
                rest, self._at_text = _beyond(self._text, self._at_text, event.text)
                if rest:
                    self._require_joined()
                    new.append(Text(rest, event.choice))
            elif isinstance(event, Reasoning):
                rest, self._at_reasoning = _beyond(self._reasoning, self._at_reasoning, event.text)
                if rest:
                    self._require_joined()
                    new.append(Reasoning(rest, event.choice))
            elif isinstance(event, ToolCallDelta):
                new += self._call(event)
            else:
                if isinstance(event, Finish):
                    self._require_joined()
                new.append(event)
        return new

    def _call(self, event: ToolCallDelta) -> list[Event]:
        known = self._calls.get(event.index)
        if known is None:
            self._require_joined()
            return [event]
        if event.name is not None and event.name != known.name:
            raise MismatchError("it calls another tool")
        said = known.arguments.text()
        at = self._at_arguments.get(event.index, 0)
        rest, self._at_arguments[event.index] = _beyond(said, at, event.arguments)
        if not rest:
            return []
        self._require_joined()
        return [ToolCallDelta(event.index, arguments=rest, choice=event.choice)]

    def _require_joined(self) -> None:
        if not self.joined:
            raise MismatchError("it leaves out what was already said")


def _beyond(said: str, at: int, piece: str) -> tuple[str, int]:
    """What of `piece`, which begins at `at` of `said`, goes beyond it; and where it ends."""
    end = at + len(piece)
    overlap = said[at:end]
    if not piece.startswith(overlap):
        raise MismatchError("it goes on in other words")
    return piece[len(overlap) :], end


# How far back a boundary between words is looked for, in characters.
_LONGEST_WORD = 64


def safe_end(text: str) -> int:
    """Where a text may end so that its tokens are those that were generated.

    A tokenizer that splits words from the spaces before them (GPT-2's and all after it) never joins a
    letter and the space that follows; anywhere else, a text cut off may be read as other tokens.
    """
    for end in range(len(text) - 1, max(0, len(text) - _LONGEST_WORD), -1):
        if text[end] == " " and text[end - 1].isalnum():
            return end
    return 0 if len(text) < _LONGEST_WORD else len(text)

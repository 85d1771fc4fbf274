"""What a client has of one answer, so that another replica can go on from exactly there.

A ledger is kept of every answer that may be gone on with, event by event, and before anything is
normalised: what it holds is what the upstreams said.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from backend_adapter.chat.events import Event, Finish, Reasoning, Text, ToolCallDelta
from backend_adapter.chat.said_again import MismatchError, SaidJson, SaidText

Phase: TypeAlias = Literal["nothing", "reasoning", "text", "call", "finished"]

# When there are so many pieces, they are put together to save memory in long answers, but for the last
# ones: how many of them a cut takes away has to be known.
LOOSE_PIECES = 256
_LAST_PIECES = 64


class Pieces:
    """A text that grows piece by piece; a piece is about a token."""

    __slots__ = ("_blocks", "_compacted", "loose")

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._compacted = 0
        self.loose: list[str] = []

    @property
    def count(self) -> int:
        """How many pieces there are."""
        return self._compacted + len(self.loose)

    def add(self, piece: str) -> None:
        self.loose.append(piece)
        if len(self.loose) >= LOOSE_PIECES:
            self.compact()

    def compact(self) -> None:
        """Put all but the last pieces together."""
        older = self.loose[:-_LAST_PIECES]
        self._blocks.append("".join(older))
        self._compacted += len(older)
        del self.loose[:-_LAST_PIECES]

    def text(self) -> str:
        """The whole of it."""
        return "".join([*self._blocks, *self.loose])

    def beyond(self, end: int) -> int:
        """How many pieces are not within its first `end` characters."""
        position = sum(map(len, self._blocks)) + sum(map(len, self.loose))
        beyond = 0
        for piece in reversed(self.loose):
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
    """The first choice of an answer so far."""

    def __init__(self) -> None:
        self.phase: Phase = "nothing"
        self.reasoning = Pieces()
        self.text = Pieces()
        self.calls: dict[int, Call] = {}
        self._call_pieces = 0

    @property
    def pieces(self) -> int:
        """How many pieces arrived, which is about how many tokens."""
        return self.reasoning.count + self.text.count + self._call_pieces

    def add(self, events: Sequence[Event]) -> None:
        """Note what the client gets."""
        for event in events:
            kind = type(event)
            if kind is Text:
                self.text.add(event.text)  # type: ignore[union-attr]
                self.phase = "text"
            elif kind is Reasoning:
                self.reasoning.add(event.text)  # type: ignore[union-attr]
                self.phase = "reasoning"
            elif isinstance(event, ToolCallDelta):
                self._call(event)
                self._call_pieces += 1
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


class Joiner:
    """Passes on what is new of an answer that goes on, and checks what is not.

    The events fed say the answer from `start`; those come out that go beyond the ledger. So the client
    gets no character twice and none is missing, however much an upstream repeats.
    """

    def __init__(self, ledger: Ledger, start: Start) -> None:
        self._reasoning = SaidText(ledger.reasoning.text(), start.reasoning)
        self._text = SaidText(ledger.text.text(), start.text)
        self._names = {index: call.name for index, call in ledger.calls.items()}
        self._arguments: dict[int, SaidJson] = {}
        # The calls that are still to be said again.
        self._calls_left: set[int] = set()
        last = max(ledger.calls, default=-1)
        for index, call in ledger.calls.items():
            said = call.arguments.text()
            at = 0
            if start.arguments is not None:
                at = start.arguments if index == last else len(said)
            else:
                self._calls_left.add(index)
            self._arguments[index] = SaidJson(said, at)

    @property
    def joined(self) -> bool:
        """Whether everything that the client has was said again."""
        return (
            self._reasoning.all_again
            and self._text.all_again
            and not self._calls_left
            and all(arguments.all_again for arguments in self._arguments.values())
        )

    @property
    def _nearly_joined(self) -> bool:
        """Whether nothing but white space is missing."""
        return (
            self._reasoning.all_but_space
            and self._text.all_but_space
            and not self._calls_left
            and all(arguments.all_but_space for arguments in self._arguments.values())
        )

    def feed(self, events: Sequence[Event]) -> list[Event]:
        """What of `events` is new to the client. Raises MismatchError."""
        new: list[Event] = []
        for event in events:
            if isinstance(event, Text):
                if self._is_new(rest := self._text.beyond(event.text)):
                    new.append(Text(rest, event.choice))
            elif isinstance(event, Reasoning):
                if self._is_new(rest := self._reasoning.beyond(event.text)):
                    new.append(Reasoning(rest, event.choice))
            elif isinstance(event, ToolCallDelta):
                new += self._call(event)
            else:
                if isinstance(event, Finish):
                    self._require_all()
                new.append(event)
        return new

    def _call(self, event: ToolCallDelta) -> list[Event]:
        name = self._names.get(event.index)
        if name is None:
            self._require_all()
            return [event]
        if event.name is not None and event.name != name:
            raise MismatchError("it calls another tool")
        self._calls_left.discard(event.index)
        rest = self._arguments[event.index].beyond(event.arguments)
        if not self._is_new(rest):
            return []
        return [ToolCallDelta(event.index, arguments=rest, choice=event.choice)]

    def _is_new(self, rest: str) -> bool:
        """Whether there is a rest that the client should get. Raises MismatchError where it is too early."""
        if not rest or (rest.isspace() and not self._nearly_joined):
            return False
        self._require_all()
        return True

    def _require_all(self) -> None:
        if not self._nearly_joined:
            raise MismatchError("it leaves out what was already said")


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

"""Raw harmony, the response format of GPT-OSS, read into events.

An engine without a harmony parser shows the special tokens: each message of the answer is
`<|start|>assistant<|channel|>CHANNEL<|message|>...<|end|>`, where `<|start|>assistant` is missing in
front of the first, because the prompt ends with it. The channel `analysis` is thinking, `final` and
`commentary` without a recipient are for the user, and `to=functions.NAME` in the header makes the
message a tool call. Format: https://cookbook.openai.com/articles/openai-harmony.
"""

import re
from collections.abc import Iterable
from typing import Literal

from backend_adapter.chat.call_ids import MAX_CALLS, new_call_id
from backend_adapter.chat.events import (
    Event,
    Failure,
    Finish,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from backend_adapter.chat.markers import partial_marker, parts_of

_START, _CHANNEL, _MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
_ENDS = ("<|end|>", "<|return|>", "<|call|>")
_TOKENS = (_START, _CHANNEL, _MESSAGE, "<|constrain|>", *_ENDS)
_TOKEN = re.compile("|".join(map(re.escape, _TOKENS)))
_HEADER_END = re.compile("|".join(map(re.escape, (_MESSAGE, *_ENDS))))
_HEADER_PART = re.compile(r"<\|(start|channel|constrain)\|>\s*(\w*)(.?)", re.DOTALL)
_CHANNEL_NAME = re.compile(r"<\|channel\|>\s*(\w+)")
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_FUNCTION = re.compile(r"(?:functions\.)?([A-Za-z0-9_.:-]{1,128})")
# The model's own tools, which no client of the adapter offers, and itself.
_NO_FUNCTION = re.compile(r"(?:python|browser|container)(?:\..*)?|assistant|all|user")
_WORDS = {"start": ("assistant",), "channel": ("analysis", "commentary", "final")}
# White space before the first token, and a header, are not longer than this, in characters.
_MAX_LEADING_SPACE = 64
_MAX_HEADER = 1024


class _Choice:
    """One choice: before its first header, inside a header, inside a message, or not harmony at all."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._state: Literal["start", "header", "body", "plain"] = "start"
        self._held = ""
        self._first = True
        # Where the text of the current message goes: a call's index, or the kind of its event.
        self._target: int | type[Text] | type[Reasoning] = Text
        self.next_index = 0
        self.called = False
        self.failed = False

    @property
    def settled(self) -> bool:
        return self._state == "plain"

    def text(self, piece: str) -> list[Event]:
        self._held += piece
        events: list[Event] = []
        if self.failed:
            return events
        if self._state == "start":
            self._begin()
        while not self.failed and self._step(events):
            pass
        if self._state == "plain":
            events += self.flush()
        return events

    def _begin(self) -> None:
        stripped = self._held.lstrip()
        if len(self._held) - len(stripped) <= _MAX_LEADING_SPACE:
            if stripped.startswith((_START, _CHANNEL)):
                self._state, self._held = "header", stripped
                return
            if _START.startswith(stripped) or _CHANNEL.startswith(stripped):
                return
        self._state = "plain"

    def _step(self, events: list[Event]) -> bool:
        return self._read_header(events) if self._state == "header" else self._read_body(events)

    def _read_header(self, events: list[Event]) -> bool:
        """Read up to the message's text; False where more has to arrive first."""
        end = _HEADER_END.search(self._held)
        header = self._held[: end.start()] if end else self._held
        if self._first and not _may_be_header(header, whole=end is not None):
            self._state = "plain"
            return False
        if end is None:
            if len(header) <= _MAX_HEADER:
                return False
            kept = partial_marker(header, _TOKENS)
            events += self._stray(header[: len(header) - kept])
            self._held = header[len(header) - kept :]
            return False
        self._held = self._held[end.end() :]
        if end.group() != _MESSAGE:
            events += self._stray(header)
            return True
        self._first = False
        self._state = "body"
        before, header = _split_header(header)
        events += self._stray(before)
        self._open(header, events)
        return True

    def _open(self, header: str, events: list[Event]) -> None:
        channel = _CHANNEL_NAME.search(header)
        recipient = _RECIPIENT.search(header)
        name = recipient.group(1) if recipient else "assistant"
        function = _FUNCTION.fullmatch(name)
        if function and not _NO_FUNCTION.fullmatch(name):
            self._open_call(function.group(1), events)
        elif name in ("assistant", "all", "user") and (
            channel is None or channel.group(1) in ("final", "commentary")
        ):
            self._target = Text
        else:
            self._target = Reasoning

    def _open_call(self, name: str, events: list[Event]) -> None:
        if self.next_index >= MAX_CALLS:
            events.append(
                Failure(
                    f"The model made more than {MAX_CALLS} tool calls in one answer.",
                    code="too_many_tool_calls",
                )
            )
            self.failed = True
            return
        self._target = self.next_index
        self.called = True
        events.append(ToolCallDelta(self._target, new_call_id(), name, "", self._number))
        self.next_index += 1

    def _read_body(self, events: list[Event]) -> bool:
        """Give out the message's text; False where more has to arrive first."""
        if self._state != "body":
            return False
        token = _TOKEN.search(self._held)
        if token is None:
            kept = partial_marker(self._held, _TOKENS) if "<" in self._held else 0
            events += self._piece(self._held[: len(self._held) - kept])
            self._held = self._held[len(self._held) - kept :]
            return False
        events += self._piece(self._held[: token.start()])
        self._held = self._held[token.end() :]
        if token.group() in _ENDS:
            self._state = "header"
        elif token.group() in (_START, _CHANNEL):
            # The end of the message was left out.
            self._state, self._held = "header", token.group() + self._held
        return True

    def _piece(self, text: str) -> list[Event]:
        if not text:
            return []
        if isinstance(self._target, int):
            return [ToolCallDelta(self._target, arguments=text, choice=self._number)]
        return [self._target(text, self._number)]

    def _stray(self, text: str) -> list[Event]:
        """Text between messages, where none belongs: shown, without special tokens."""
        text = _TOKEN.sub("", text)
        return [Text(text, self._number)] if text.strip() else []

    def flush(self) -> list[Event]:
        """What is held back, when nothing more follows; a header that was cut off says nothing."""
        held, self._held = self._held, ""
        if self._state == "header":
            return self._stray(_split_header(held)[0])
        if self._state == "body":
            return self._piece(held)
        return [Text(held, self._number)] if held else []

    def interrupt(self) -> list[Event]:
        """Another event comes: held text that may still become a first token is none."""
        if self._state != "start" or not self._held:
            return []
        self._state = "plain"
        return self.flush()


def _may_be_header(header: str, *, whole: bool) -> bool:
    """Whether an answer that begins so is harmony, and not some other text with such a token."""
    if len(header) > _MAX_HEADER:
        return False
    for part in _HEADER_PART.finditer(header):
        kind, word, after = part.groups()
        words = _WORDS.get(kind)
        if words is None or word in words:
            continue
        if whole or after or not any(known.startswith(word) for known in words):
            return False
    return True


def _split_header(header: str) -> tuple[str, str]:
    """Text that was written before a header, and the header itself."""
    start = header.find(_START)
    if start >= 0:
        return header[:start], header[start:]
    channel = header.find(_CHANNEL)
    before = header if channel < 0 else header[:channel]
    # The token in front of the role may be missing.
    if re.fullmatch(r"\s*(assistant\b.*)?", before, re.DOTALL):
        return "", header
    return before, header[len(before) :]


class HarmonyReader:
    """A stage that reads raw harmony; an answer that does not begin with its tokens passes as it is.

    No special token of a harmony answer leaves it, and no more is held back than a header or the
    beginning of a token. The finish reason becomes `tool_calls` when a complete answer made a call.
    After a Failure nothing more comes.
    """

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._settled: set[int] = set()
        self._failed = False

    @property
    def passes_text(self) -> bool:
        """Whether the answer's only choice is past all that could be read in it."""
        return bool(self._settled)

    def feed(self, event: Event) -> Iterable[Event]:
        if self._failed:
            return ()
        if isinstance(event, Text) and event.choice in self._settled:
            return (event,)
        if isinstance(event, Usage):
            return (event,)
        if isinstance(event, Failure):
            return [*(held for choice in self._choices.values() for held in choice.flush()), event]
        number = event.choice
        if number in self._settled:
            return (event,)
        choice = self._choices.get(number)
        if choice is None:
            choice = self._choices[number] = _Choice(number)
        if isinstance(event, Text):
            events = [out for part in parts_of(event.text) for out in choice.text(part)]
            self._failed = choice.failed
            if choice.settled:
                self._settle(number)
            return events
        if isinstance(event, Finish):
            events = choice.flush()
            self._settle(number)
            called = choice.called and event.reason == "stop"
            return [*events, Finish("tool_calls", number) if called else event]
        if isinstance(event, ToolCallDelta):
            choice.next_index = max(choice.next_index, event.index + 1)
        events = choice.interrupt()
        if choice.settled:
            self._settle(number)
        return [*events, event]

    def _settle(self, number: int) -> None:
        self._settled.add(number)
        del self._choices[number]

"""Builds the event stream of a response; unlike a chat's, it ends without [DONE]."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from backend_adapter.chat.events import Finish, Part, Reasoning, Text, ToolCallDelta, Usage
from backend_adapter.chat.plain import plain_text
from backend_adapter.chat.responses.answer import ResponseObject, Status, response_error
from backend_adapter.chat.responses.output import Item, Kind
from backend_adapter.chat.responses.request import ResponsesRequest

_ENCODER = msgspec.json.Encoder()


_TEXT = "response.output_text"
_REASONING = "response.reasoning_text"
_ARGUMENTS = "response.function_call_arguments"
_DELTAS: dict[Kind, tuple[str, dict[str, object]]] = {
    "message": (f"{_TEXT}.delta", {"content_index": 0, "logprobs": []}),
    "reasoning": (f"{_REASONING}.delta", {"content_index": 0}),
    "function_call": (f"{_ARGUMENTS}.delta", {}),
}


class ResponsesEncoder:
    """Turns an answer's events into the frames of one server-sent event stream.

    `created` is in seconds since 1970. Feed every event to `frame`, then send `end`; where the answer
    breaks off, send `error` instead.
    """

    def __init__(self, request: ResponsesRequest, answer_id: str, created: int) -> None:
        self._response = ResponseObject(request, answer_id, created)
        self._sequence = 0
        # The deltas of one item differ in their number and their text only; by the item's index.
        self._heads: list[bytes] = []

    def frames(self, events: Sequence[Part]) -> bytes:
        """The bytes that say `events`, in order."""
        return b"".join([self.frame(event) for event in events])

    def frame(self, event: Part) -> bytes:
        """The bytes that say `event`; empty where there is nothing to say."""
        if isinstance(event, Usage):
            self._response.usage = event
            return b""
        if event.choice:
            return b""  # the API has one answer to each question
        begun = self._begin()
        if isinstance(event, Finish):
            self._response.reason = event.reason
            return begun + self._finish(complete=self._response.complete)
        return begun + self._write(event)

    def sayer(self, write: Callable[[bytes], bool]) -> Callable[[str], bool]:
        """What writes one more piece of text, and tells what `write` did."""
        return lambda text: write(self.frame(Text(text)))

    def note(self, text: str) -> bytes:
        """A line of our own about how the answer came about: a comment, which no client trips over."""
        return b": " + plain_text(text).encode() + b"\n\n"

    def end(self) -> bytes:
        """The last frames of an answer that did not fail."""
        response = self._response
        begun = self._begin()
        closed = self._finish(complete=response.complete)
        return begun + closed + self._whole(response.final_status)

    def error(self, body: dict[str, dict[str, str | None]]) -> bytes:
        """The last frames of an answer that broke off, from the body of an OpenAI error.

        What was said so far stays in the response.
        """
        begun = self._begin()
        self._response.output.finish(complete=False)
        return begun + self._whole("failed", response_error(body))

    def _begin(self) -> bytes:
        if self._sequence:
            return b""
        body = self._response.body("in_progress")
        return b"".join(
            self._event(f"response.{name}", response=body) for name in ("created", "in_progress")
        )

    def _whole(self, status: Status, error: dict[str, Any] | None = None) -> bytes:
        return self._event(f"response.{status}", response=self._response.body(status, error))

    def _write(self, event: Text | Reasoning | ToolCallDelta) -> bytes:
        piece = event.arguments if isinstance(event, ToolCallDelta) else event.text
        if not piece and not isinstance(event, ToolCallDelta):
            return b""
        ended, item, new = self._response.output.place(event)
        frames = self._close(ended) if ended is not None else b""
        if new:
            frames += self._open(item)
        if piece:
            item.write(piece)
            frames += self._delta(item, piece)
        return frames

    def _delta(self, item: Item, piece: str) -> bytes:
        number, said = b"%d" % self._next(), _ENCODER.encode(piece)
        return b"".join((self._heads[item.index], number, b',"delta":', said, b"}\n\n"))

    def _open(self, item: Item) -> bytes:
        self._heads.append(_delta_head(item))
        added = self._event(
            "response.output_item.added", output_index=item.index, item=item.body(begun=False)
        )
        if item.kind == "function_call":
            return added
        return added + self._item_event(
            "response.content_part.added", item, content_index=0, part=item.part("")
        )

    def _finish(self, *, complete: bool) -> bytes:
        return b"".join(map(self._close, self._response.output.finish(complete=complete)))

    def _close(self, item: Item) -> bytes:
        text = item.text()
        if item.kind == "function_call":
            said = self._item_event(f"{_ARGUMENTS}.done", item, arguments=text)
        else:
            if item.kind == "message":
                said = self._item_event(
                    f"{_TEXT}.done", item, content_index=0, text=text, logprobs=[]
                )
            else:
                said = self._item_event(f"{_REASONING}.done", item, content_index=0, text=text)
            said += self._item_event(
                "response.content_part.done", item, content_index=0, part=item.part(text)
            )
        return said + self._event(
            "response.output_item.done", output_index=item.index, item=item.body()
        )

    def _item_event(self, name: str, item: Item, **fields: object) -> bytes:
        return self._event(name, item_id=item.id, output_index=item.index, **fields)

    def _event(self, name: str, **fields: object) -> bytes:
        return _frame(name, {"type": name, "sequence_number": self._next(), **fields})

    def _next(self) -> int:
        number = self._sequence
        self._sequence += 1
        return number


def _delta_head(item: Item) -> bytes:
    """A delta's frame up to its number."""
    name, more = _DELTAS[item.kind]
    fields = {"type": name, "item_id": item.id, "output_index": item.index, **more}
    return _frame(name, fields).removesuffix(b"}\n\n") + b',"sequence_number":'


def _frame(name: str, body: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _ENCODER.encode(body))

"""The items that a model's answer is made of, put together from its events."""

from typing import Any, Literal, TypeAlias

from backend_adapter.chat.events import FinishReason, Reasoning, Text, ToolCallDelta

Kind: TypeAlias = Literal["message", "reasoning", "function_call"]
_PREFIX: dict[Kind, str] = {"message": "msg", "reasoning": "rs", "function_call": "fc"}

# Endings at which the model had more to say, and what the Responses API calls them.
INCOMPLETE: dict[FinishReason, str] = {
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}


class Item:
    """One item, written piece by piece; `index` is its place in the output."""

    def __init__(self, kind: Kind, index: int, answer: str, call: ToolCallDelta | None = None):
        self.kind = kind
        self.index = index
        self.id = f"{_PREFIX[kind]}_{answer}_{index}"
        self.call_id = (call.id if call else None) or ""
        self.name = (call.name if call else None) or ""
        self.status: Literal["in_progress", "completed", "incomplete"] = "in_progress"
        self._pieces: list[str] = []

    def write(self, piece: str) -> None:
        self._pieces.append(piece)

    def text(self) -> str:
        """All that was written: the message's text, the thought, or the call's arguments."""
        return "".join(self._pieces)

    def part(self, text: str) -> dict[str, Any]:
        """The one content part of a message or a thought."""
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": text}
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}

    def body(self, *, begun: bool = True) -> dict[str, Any]:
        """The item in the form of the API; without `begun`, as it is before its first piece."""
        body: dict[str, Any] = {"type": self.kind, "id": self.id, "status": self.status}
        if self.kind == "function_call":
            body |= {"call_id": self.call_id, "name": self.name}
            body["arguments"] = self.text() if begun else ""
            return body
        if self.kind == "message":
            body["role"] = "assistant"
        else:
            body["summary"] = []
        body["content"] = [self.part(self.text())] if begun else []
        return body


class Output:
    """The items of one answer in the order in which they began.

    A message or a thought ends where something else begins. Calls stay open until the end: an engine may
    write several at a time.
    """

    def __init__(self, answer_id: str) -> None:
        self.items: list[Item] = []
        self._answer = answer_id.removeprefix("resp_")
        self._open: Item | None = None
        self._calls: dict[int, Item] = {}

    def place(self, event: Text | Reasoning | ToolCallDelta) -> tuple[Item | None, Item, bool]:
        """Where `event` belongs: the item that ends before it, its own item, and whether that is new."""
        if isinstance(event, ToolCallDelta):
            if item := self._calls.get(event.index):
                return None, item, False
            ended, self._open = self._open, None
            item = self._begin("function_call", event)
            self._calls[event.index] = item
        else:
            kind: Kind = "message" if isinstance(event, Text) else "reasoning"
            if self._open is not None and self._open.kind == kind:
                return None, self._open, False
            ended, self._open = self._open, self._begin(kind)
            item = self._open
        if ended is not None:
            ended.status = "completed"
        return ended, item, True

    def finish(self, *, complete: bool) -> list[Item]:
        """End every item that is still open, and return those."""
        ended = [item for item in self.items if item.status == "in_progress"]
        for item in ended:
            item.status = "completed" if complete else "incomplete"
        self._open = None
        self._calls.clear()
        return ended

    def _begin(self, kind: Kind, call: ToolCallDelta | None = None) -> Item:
        item = Item(kind, len(self.items), self._answer, call)
        self.items.append(item)
        return item

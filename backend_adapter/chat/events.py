"""What an answer is made of, whatever engine wrote it.

An upstream's stream is read into these events and the client's stream is built from them, so a field
that is not here cannot travel from an upstream to a browser (Open WebUI hands an unknown `event` object
in a chunk to the page, which may run it).
"""

from typing import Literal, TypeAlias

import msgspec

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


class Text(msgspec.Struct, frozen=True):
    """A piece of the visible answer of one choice."""

    text: str
    choice: int = 0


class Reasoning(msgspec.Struct, frozen=True):
    """A piece of the model's thinking, which clients show apart from the answer."""

    text: str
    choice: int = 0


class ToolCallDelta(msgspec.Struct, frozen=True):
    """A piece of one tool call: the first carries `id` and `name`, the later ones more `arguments`."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    choice: int = 0


class Usage(msgspec.Struct, frozen=True):
    """Token counts of the whole answer, as the engine reports them."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


class Finish(msgspec.Struct, frozen=True):
    """One choice is complete, and why."""

    reason: FinishReason
    choice: int = 0


class BrokenCall(msgspec.Struct, frozen=True):
    """A tool call whose arguments are no JSON object: what the model wrote, and what is wrong with it."""

    index: int
    id: str
    name: str
    arguments: str
    reason: str


class Failure(msgspec.Struct, frozen=True):
    """The answer ends here and is not complete; the text so far stays valid.

    `status` is the HTTP status that fits when nothing of the answer has been sent yet. `broken_call`
    is the call that ended it, where the model can be asked to make it again.
    """

    message: str
    type: str = "upstream_error"
    code: str | None = None
    status: int = 502
    broken_call: BrokenCall | None = None


Part: TypeAlias = Text | Reasoning | ToolCallDelta | Usage | Finish
Event: TypeAlias = Part | Failure

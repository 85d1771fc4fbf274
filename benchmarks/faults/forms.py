"""What an engine sends for each token: chat chunks as its parsers make them, or plain text."""

import codecs
import random
from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

from benchmarks.faults.model import (
    CALL,
    CALL_HEAD,
    CALL_TAIL,
    END,
    END_CALL,
    END_THINK,
    IDS,
    SPECIAL,
    THINK,
    TOOL,
    Token,
)

Engine: TypeAlias = Literal["vllm", "llama.cpp", "openai"]
_THOUGHT = {"vllm": "reasoning", "llama.cpp": "reasoning_content", "openai": "reasoning_content"}


class Form(Protocol):
    """The chunks of one answer."""

    def opening(self) -> list[dict[str, Any]]:
        """What comes before the first token."""
        ...

    def token(self, token: Token) -> dict[str, Any]:
        """The chunk of one token."""
        ...

    def finish(self, reason: str | None) -> dict[str, Any]:
        """The chunk that ends the answer."""
        ...


class _Letters:
    """The text of tokens; while they end within a character they wait, all of them, as in vLLM.

    A character that was cut in two by the beginning of an answer is lost.
    """

    def __init__(self) -> None:
        self._waiting = b""

    def decode(self, token: Token) -> str:
        self._waiting += token
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(self._waiting)
        if decoder.getstate()[0]:
            return ""
        self._waiting = b""
        return text


class _Chunks:
    """What every chunk has; `prompt` are the token ids of the prompt where the engine is to tell them."""

    def __init__(self, model: str, kind: str, prompt: Sequence[int] | None) -> None:
        self._model = model
        self._kind = kind
        self._prompt = prompt
        self._id = f"engine-{random.randrange(10**12)}"

    def chunk(self, choice: dict[str, Any], tokens: Sequence[Token] = ()) -> dict[str, Any]:
        whole = {"index": 0, "finish_reason": None, **choice}
        if self._prompt is not None:
            whole["token_ids"] = [IDS[token] for token in tokens]
        return {
            "id": self._id,
            "object": self._kind,
            "created": 1,
            "model": self._model,
            "choices": [whole],
        }


class ChatForm(_Chunks):
    """Chunks of a chat: thinking and calls are read by the engine's own parsers.

    `said` are tokens of the same answer that stand in the prompt.
    """

    def __init__(
        self, engine: Engine, model: str, prompt: Sequence[int] | None, said: Sequence[Token]
    ) -> None:
        super().__init__(model, "chat.completion.chunk", prompt)
        self._thought = _THOUGHT[engine]
        self._state: Literal["text", "reasoning", "call"] = "text"
        self._text = _Letters()
        for token in said:
            self.token(token)
        self._text = _Letters()

    def opening(self) -> list[dict[str, Any]]:
        first = self.chunk({"delta": {"role": "assistant", "content": ""}})
        if self._prompt is not None:
            first["prompt_token_ids"] = self._prompt
        return [first]

    def token(self, token: Token) -> dict[str, Any]:
        return self.chunk({"delta": self._delta(token)}, [token])

    def _delta(self, token: Token) -> dict[str, Any]:
        if token in (THINK, END_THINK, CALL, END_CALL):
            self._state = {THINK: "reasoning", CALL: "call"}.get(token, "text")  # type: ignore[assignment]
            return {}
        if token in SPECIAL or token == CALL_TAIL:
            return {}
        if token == CALL_HEAD:
            function = {"name": TOOL, "arguments": ""}
            call = {"index": 0, "id": "call_of_the_engine", "type": "function"}
            return {"tool_calls": [{**call, "function": function}]}
        text = self._text.decode(token)
        if self._state == "call":
            return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
        return {self._thought if self._state == "reasoning" else "content": text}

    def finish(self, reason: str | None) -> dict[str, Any]:
        ended = [END] if reason in ("stop", "tool_calls") else []
        return self.chunk({"delta": {}, "finish_reason": reason}, ended)


class TextForm(_Chunks):
    """Chunks of a plain completion; the marks of thinking and calls show where `marks` is set."""

    def __init__(self, model: str, prompt: Sequence[int] | None, *, marks: bool) -> None:
        super().__init__(model, "text_completion", prompt)
        self._marks = marks
        self._text = _Letters()

    def opening(self) -> list[dict[str, Any]]:
        return []

    def token(self, token: Token) -> dict[str, Any]:
        shown = token not in SPECIAL or (self._marks and token != END)
        choice: dict[str, Any] = {"text": self._text.decode(token) if shown else ""}
        if self._prompt is not None:
            choice["prompt_token_ids"] = self._prompt
        return self.chunk(choice, [token])

    def finish(self, reason: str | None) -> dict[str, Any]:
        ended = [END] if reason in ("stop", "tool_calls") else []
        plain = "stop" if reason == "tool_calls" else reason
        return self.chunk({"text": "", "finish_reason": plain}, ended)

"""Reads a client's request: what may be asked, in typed form, and what of it goes to an upstream.

Fields not named here are dropped: clients send their own extras, and an engine must not see them. A
standard field that would change the answer, but that the adapter cannot honour, is refused.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from backend_adapter.chat.messages import Message, NamedTool, Tool
from backend_adapter.chat.plain import plain_text
from backend_adapter.errors import RequestError

Probability = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Count = Annotated[int, Meta(ge=0)]
PositiveCount = Annotated[int, Meta(ge=1)]
Stop = str | Annotated[list[str], Meta(max_length=64)]
_MAX_CHOICES = 128


class StreamOptions(msgspec.Struct):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct, omit_defaults=True):
    """The form the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class _Request(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What chat and plain completions have in common."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Probability | None = None
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    min_p: Probability | None = None
    typical_p: Probability | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0)] | None = None
    logit_bias: dict[str, float] | None = None
    seed: int | None = None
    n: Annotated[int, Meta(ge=1, le=_MAX_CHOICES)] | None = None
    max_tokens: PositiveCount | None = None
    min_tokens: Count | None = None
    stop: Stop | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    truncate_prompt_tokens: Annotated[int, Meta(ge=-1)] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: dict[str, Any] | None = None
    user: str | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a streaming client wants the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def body(self) -> dict[str, Any]:
        """What an upstream is to be asked; how it shall answer (`stream`) is not part of it."""
        body: dict[str, Any] = msgspec.to_builtins(self)
        body.pop("stream", None)
        body.pop("stream_options", None)
        return body


class ChatRequest(_Request, kw_only=True, omit_defaults=True):
    """A request to /v1/chat/completions."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    tools: Annotated[list[Tool], Meta(max_length=512)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    max_completion_tokens: PositiveCount | None = None
    reasoning_effort: str | None = None
    thinking_token_budget: Count | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None

    @property
    def choices(self) -> int:
        """How many answers are asked for."""
        return self.n or 1

    def body(self) -> dict[str, Any]:
        """See the base class; `developer` becomes `system`, and thinking has one name."""
        body = super().body()
        for message in body["messages"]:
            if message["role"] == "developer":
                message["role"] = "system"
            if thought := message.pop("reasoning", None):
                message.setdefault("reasoning_content", thought)
        if not self.tools:
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                body.pop(name, None)
        return body

    def check(self) -> None:
        """Refuse what is well-formed but contradicts itself."""
        choice = self.tool_choice
        offered = {tool.function.name for tool in self.tools or ()}
        if isinstance(choice, NamedTool) and choice.function.name not in offered:
            name = plain_text(choice.function.name, 64)
            raise RequestError(
                f"tool_choice names the tool {name!r}, which is not in tools.",
                "Offer it in tools, or choose one that is offered.",
                param="tool_choice",
            )
        if choice == "required" and not offered:
            raise RequestError(
                "tool_choice is 'required', but no tools are offered.",
                "Offer tools, or leave tool_choice out.",
                param="tool_choice",
            )


class CompletionRequest(_Request, kw_only=True, omit_defaults=True):
    """A request to /v1/completions; `prompt` is text or token ids, one or several."""

    prompt: str | list[str | int | list[int]]
    suffix: str | None = None

    @property
    def choices(self) -> int:
        """How many answers are asked for: `n` to each prompt."""
        return len(self._prompts()) * (self.n or 1)

    def _prompts(self) -> list[Any]:
        several = isinstance(self.prompt, list) and not isinstance(self.prompt[0], int)
        return list(self.prompt) if several else [self.prompt]

    def check(self) -> None:
        """Refuse what is well-formed but contradicts itself."""
        prompts = self.prompt if isinstance(self.prompt, list) else [self.prompt]
        kinds = {type(prompt) for prompt in prompts}
        if len(kinds) != 1 or self.choices > _MAX_CHOICES:
            raise RequestError(
                "prompt must be a text, texts, token ids, or lists of token ids, "
                f"for at most {_MAX_CHOICES} answers in all.",
                "Send fewer prompts at a time, all of one kind.",
                param="prompt",
            )


# A standard field that changes the answer and is not supported, the values that ask for nothing, and
# what to do instead.
_REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "logprobs": ((None, False), "Leave it out: token probabilities are not available here."),
    "top_logprobs": ((None, 0), "Leave it out: token probabilities are not available here."),
    "prompt_logprobs": ((None,), "Leave it out: token probabilities are not available here."),
    "functions": ((None, []), "Use tools, which replaced it."),
    "function_call": ((None, "auto", "none"), "Use tool_choice, which replaced it."),
    "modalities": ((None, ["text"]), "Ask for text only."),
    "audio": ((None,), "Ask for text only."),
    "web_search_options": ((None,), "Offer a search tool in tools instead."),
    "echo": ((None, False), "Put the prompt before the answer yourself."),
    "best_of": ((None, 1), "Ask for n answers and choose among them yourself."),
}
_REFUSED_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])

_R = TypeVar("_R", ChatRequest, CompletionRequest)
_CHAT = msgspec.json.Decoder(ChatRequest)
_COMPLETION = msgspec.json.Decoder(CompletionRequest)


def parse_chat(raw: bytes) -> ChatRequest:
    """Read the body of a chat request. Raises RequestError, which names the field."""
    return _parse(raw, _CHAT)


def parse_completion(raw: bytes) -> CompletionRequest:
    """Read the body of a plain completion request. Raises RequestError, which names the field."""
    return _parse(raw, _COMPLETION)


def _parse(raw: bytes, decoder: msgspec.json.Decoder[_R]) -> _R:
    try:
        request = decoder.decode(raw)
        given = _REFUSED_DECODER.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_field(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None
    for name, (harmless, remedy) in _REFUSED.items():
        # 0 == False in Python, but logprobs=0 asks for something.
        value = given.get(name)
        if value is not None and not any(_same(value, nothing) for nothing in harmless):
            raise RequestError(f"{name} is not supported.", remedy, param=name)
    request.check()
    return request


def _same(raw: msgspec.Raw, value: object) -> bool:
    return bytes(raw).replace(b" ", b"") == msgspec.json.encode(value)


_PLACE = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(?P<field>[^`]+)`")


def not_json(error: Exception) -> RequestError:
    """What to tell the sender of a body that could not be decoded at all."""
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    return RequestError(
        f"The request body is not valid JSON: {plain_text(reason)}.",
        "Send one JSON object in UTF-8.",
    )


def wrong_field(reason: str) -> RequestError:
    """Msgspec's reason, with the field named the way OpenAI's errors do: `messages[0].role`."""
    place = _PLACE.match(reason)
    what, path = (place["what"], place["path"] or "") if place else (reason, "")
    if missing := _MISSING.search(what):
        field = f"{path}.{missing['field']}" if path else missing["field"]
        return RequestError(f"{field} is missing.", "Add it and send again.", param=field)
    where = f"{path}: " if path else ""
    return RequestError(
        f"{where}{plain_text(what)}.", "Correct it and send again.", param=path or None
    )

"""Reads a request: what can be asked of the gateway, in typed form.

The names are OpenAI's, and vLLM's where OpenAI has none. A field that is not here is ignored; one of a wrong type
is named.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from backend_adapter.chat.messages import Message, NamedTool, Tool
from backend_adapter.chat.request import wrong_field
from backend_adapter.petals.gateway.faults import BadRequestError

MAX_CHOICES = 4
MAX_TOP_LOGPROBS = 20

_Probability = Annotated[float, Meta(ge=0, le=1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Positive = Annotated[float, Meta(gt=0, le=100)]
_Count = Annotated[int, Meta(ge=1)]
_Token = Annotated[int, Meta(ge=0)]
_Stop = str | Annotated[list[Annotated[str, Meta(max_length=1024)]], Meta(max_length=64)]


class StreamOptions(msgspec.Struct):
    """What a stream carries besides the answer."""

    include_usage: bool | None = None


class JsonSchema(msgspec.Struct):
    """The schema of an answer; `schema` is missing where any object will do."""

    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct):
    """The form that the answer must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StructuredOutputs(msgspec.Struct):
    """vLLM's field of that name: one of these."""

    json: dict[str, Any] | str | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None


class _Body(msgspec.Struct, kw_only=True):
    """What chats and plain completions have in common."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: _Count | None = None
    min_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop: _Stop | None = None
    stop_token_ids: list[_Token] | None = None
    ignore_eos: bool | None = None
    skip_special_tokens: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Probability | None = None
    top_k: Annotated[int, Meta(ge=-1)] | None = None
    min_p: _Probability | None = None
    seed: int | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    repetition_penalty: _Positive | None = None
    repeat_penalty: _Positive | None = None
    logit_bias: dict[str, float] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: dict[str, Any] | str | None = None
    guided_regex: str | None = None
    guided_choice: list[str] | None = None
    guided_grammar: str | None = None
    return_token_ids: bool | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end the answer."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(each for each in given if each)

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def limit(self) -> int | None:
        """How many tokens the answer may have."""
        return self.max_tokens

    @property
    def tops(self) -> int | None:
        """How many alternatives of each token are told; None where not even its own probability is."""
        return None

    def sampling(self) -> dict[str, Any]:
        """The fields of `decode.sampling.Sampling`. Raises BadRequestError."""
        return {
            "temperature": 1.0 if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "top_k": max(0, self.top_k or 0),
            "min_p": self.min_p or 0.0,
            "seed": self.seed,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "repetition_penalty": self.repetition_penalty or self.repeat_penalty or 1.0,
            "logit_bias": _bias(self.logit_bias or {}),
            "logprobs": self.tops,
        }

    def check(self) -> None:
        """Raises BadRequestError for what is well-formed but cannot be."""
        if self.min_tokens:
            raise BadRequestError(
                f"min_tokens is {self.min_tokens}, and the swarm lets the model end its answer at any token.",
                "Leave min_tokens out, or set it to 0.",
                param="min_tokens",
            )
        if self.structured_outputs is not None and self.form == ("", None):
            raise BadRequestError(
                "structured_outputs names no form.",
                "Give json, regex, choice, grammar or json_object.",
                param="structured_outputs",
            )

    @property
    def form(self) -> tuple[str, Any]:
        """The form that the answer must have: its kind (`json`, `regex`, `choice`, `grammar`) and what it is."""
        asked = self.structured_outputs or StructuredOutputs()
        for kind, one, other in (
            ("json", asked.json, self.guided_json),
            ("regex", asked.regex, self.guided_regex),
            ("choice", asked.choice, self.guided_choice),
            ("grammar", asked.grammar, self.guided_grammar),
        ):
            if (given := other if one is None else one) is not None:
                return kind, given
        wanted = self.response_format
        if wanted is not None and wanted.type == "json_schema" and wanted.json_schema is not None:
            return "json", wanted.json_schema.schema or {"type": "object"}
        if asked.json_object or (wanted is not None and wanted.type != "text"):
            return "json", {"type": "object"}
        return "", None


class ChatBody(_Body, kw_only=True):
    """A request to /v1/chat/completions."""

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_completion_tokens: _Count | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def tops(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    def check(self) -> None:
        super().check()
        if self.continue_final_message:
            if self.add_generation_prompt:
                raise BadRequestError(
                    "add_generation_prompt and continue_final_message exclude each other.",
                    "Leave out one of them.",
                    param="continue_final_message",
                )
            if msgspec.to_builtins(self.messages[-1])["role"] != "assistant":
                raise BadRequestError(
                    "continue_final_message is set, but the last message is not the assistant's.",
                    "End the messages with the beginning of the answer.",
                    param="continue_final_message",
                )
        choice, offered = self.tool_choice, {each.function.name for each in self.tools or ()}
        if choice == "required" and not offered:
            raise BadRequestError(
                "tool_choice is 'required', but no tools are offered.",
                "Offer tools, or leave tool_choice out.",
                param="tool_choice",
            )
        if isinstance(choice, NamedTool) and choice.function.name not in offered:
            raise BadRequestError(
                "tool_choice names a tool that is not in tools.",
                "Offer it in tools, or choose one that is offered.",
                param="tool_choice",
            )


class CompletionBody(_Body, kw_only=True):
    """A request to /v1/completions; `prompt` is text or token ids."""

    prompt: str | Annotated[list[_Token | str | list[_Token]], Meta(min_length=1)]
    logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None

    @property
    def tops(self) -> int | None:
        return self.logprobs

    def one_prompt(self) -> str | list[int]:
        """The text or the token ids to go on from. Raises BadRequestError for several prompts."""
        given = self.prompt
        if isinstance(given, list) and not isinstance(given[0], int):
            if len(given) == 1 and given[0]:
                return given[0]
        elif isinstance(given, str):
            return given
        elif all(isinstance(each, int) for each in given):
            return [each for each in given if isinstance(each, int)]
        raise BadRequestError(
            "prompt is neither one text nor the token ids of one.",
            "Send one request for each prompt.",
            param="prompt",
        )


class TokenizeBody(msgspec.Struct, kw_only=True):
    """A request to /tokenize: a text, or the messages of a chat."""

    model: str | None = None
    prompt: str | None = None
    messages: list[Message] | None = None
    tools: list[Tool] | None = None
    add_special_tokens: bool = True
    add_generation_prompt: bool = True
    continue_final_message: bool = False


class DetokenizeBody(msgspec.Struct, kw_only=True):
    """A request to /detokenize."""

    tokens: list[_Token]
    model: str | None = None


_Read = TypeVar("_Read", bound=msgspec.Struct)


def read(raw: bytes, kind: type[_Read]) -> _Read:
    """The request that `raw` is. Raises BadRequestError, which names the field."""
    try:
        asked = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        fault = wrong_field(str(error))
        raise BadRequestError(fault.message, fault.remedy, param=fault.param) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(
            f"The body is not valid JSON ({type(error).__name__}).", "Send a JSON object."
        ) from None
    if isinstance(asked, _Body):
        asked.check()
    return asked


def _bias(given: Mapping[str, float]) -> dict[int, float]:
    """Biases by token id, kept within OpenAI's limits. Raises BadRequestError."""
    bias = {}
    for token, value in given.items():
        if not token.isdecimal() or not math.isfinite(value):
            raise BadRequestError(
                "logit_bias has a key that is no token id, or a value that is no number.",
                "Its keys are token ids, its values are from -100 to 100.",
                param="logit_bias",
            )
        bias[int(token)] = max(-100.0, min(100.0, value))
    return bias


def schema_of(given: dict[str, Any] | str) -> dict[str, Any]:
    """A JSON schema that may come as its text. Raises BadRequestError."""
    if isinstance(given, dict):
        return given
    try:
        read_schema = json.loads(given)
    except ValueError:
        read_schema = None
    if not isinstance(read_schema, dict):
        raise BadRequestError("The JSON schema is no object.", "Send the schema as an object.")
    return read_schema

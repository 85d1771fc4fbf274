"""Requests to /v1/embeddings, and the answers to them, built anew from an allow-list of fields."""

import base64
import sys
from array import array
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from backend_adapter.chat.request import PositiveCount, not_json, wrong_field
from backend_adapter.errors import RequestError, UpstreamError

# The OpenAI API's own limit.
MAX_INPUTS = 2048
# The largest number of a 32-bit float, in which vectors travel when they are encoded (IEEE 754).
_MAX_FLOAT32 = (2 - 2**-23) * 2.0**127

Token = Annotated[int, Meta(ge=0, lt=2**31)]
_Input = TypeVar("_Input")


class EmbeddingsRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A request to /v1/embeddings; `input` is text or token ids, one or several."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[
            list[
                Annotated[str, Meta(min_length=1)]
                | Token
                | Annotated[list[Token], Meta(min_length=1)]
            ],
            Meta(min_length=1),
        ]
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: PositiveCount | None = None
    user: str | None = None

    @property
    def inputs(self) -> int:
        """How many vectors are asked for."""
        several = isinstance(self.input, list) and not isinstance(self.input[0], int)
        return len(self.input) if several else 1

    def body(self) -> dict[str, Any]:
        """What an upstream is to be asked: always for numbers, which can be checked."""
        body: dict[str, Any] = msgspec.to_builtins(self)
        body["encoding_format"] = "float"
        return body

    def check(self) -> None:
        """Refuse what is well-formed but contradicts itself."""
        parts = self.input if isinstance(self.input, list) else [self.input]
        if len({type(part) for part in parts}) != 1:
            raise RequestError(
                "input must be a text, texts, token ids, or lists of token ids.",
                "Send inputs all of one kind.",
                param="input",
            )
        if self.inputs > MAX_INPUTS:
            raise RequestError(
                f"input holds {self.inputs} inputs; the most is {MAX_INPUTS}.",
                "Send them in several requests.",
                param="input",
            )


_REQUEST = msgspec.json.Decoder(EmbeddingsRequest)


def parse_embeddings(raw: bytes) -> EmbeddingsRequest:
    """Read the body of a request. Raises RequestError, which names the field."""
    try:
        request = _REQUEST.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_field(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise not_json(error) from None
    request.check()
    return request


class _Vector(msgspec.Struct):
    embedding: list[float]
    index: int


class _Usage(msgspec.Struct):
    prompt_tokens: Annotated[int, Meta(ge=0)]
    total_tokens: Annotated[int, Meta(ge=0)] | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def rebuild(raw: bytes, request: EmbeddingsRequest, upstream: str) -> dict[str, Any]:
    """The answer for the client, in the order of its inputs, made of that of `upstream`.

    Encoded vectors are little-endian 32-bit floats. Raises UpstreamError unless there is exactly one vector
    of finite numbers to each input, all of one length, and RequestError where that is not the length asked
    for. Takes about 0.1 s per 1000 vectors of 1024 numbers.
    """
    try:
        answer = _ANSWER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _unreadable(upstream, "embeddings that cannot be read") from None
    vectors = sorted(answer.data, key=lambda vector: vector.index)
    if [vector.index for vector in vectors] != list(range(request.inputs)):
        what = f"{len(vectors)} embeddings that do not match {request.inputs} inputs"
        raise _unreadable(upstream, what)
    _check_numbers(vectors, upstream)
    _check_dimensions(len(vectors[0].embedding), request)
    encoded = request.encoding_format == "base64"
    body: dict[str, Any] = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": each.index,
                "embedding": _base64(each.embedding) if encoded else each.embedding,
            }
            for each in vectors
        ],
        "model": request.model,
    }
    if usage := answer.usage:
        total = usage.prompt_tokens if usage.total_tokens is None else usage.total_tokens
        body["usage"] = {"prompt_tokens": usage.prompt_tokens, "total_tokens": total}
    return body


def _check_numbers(vectors: list[_Vector], upstream: str) -> None:
    length = len(vectors[0].embedding)
    if not length or any(len(each.embedding) != length for each in vectors):
        raise _unreadable(upstream, "embeddings of different lengths, or empty ones")
    for each in vectors:
        numbers = each.embedding
        # JSON has no way to write what is not a number.
        if min(numbers) < -_MAX_FLOAT32 or max(numbers) > _MAX_FLOAT32:
            raise _unreadable(upstream, "embeddings with numbers out of range")


def _check_dimensions(length: int, request: EmbeddingsRequest) -> None:
    # Many engines ignore the field.
    if request.dimensions not in (None, length):
        raise RequestError(
            f"The model {request.model!r} gives vectors of {length} dimensions, "
            f"not of {request.dimensions}.",
            "Leave dimensions out.",
            param="dimensions",
        )


def _base64(numbers: list[float]) -> str:
    packed = array("f", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed).decode()


def _unreadable(upstream: str, what: str) -> UpstreamError:
    return UpstreamError(
        f"Upstream {upstream} answered with {what}.",
        "Check that the model is one for embeddings, and that the upstream is an OpenAI API.",
        code="upstream_unreadable",
    )

"""What an upstream can do besides answering, found out by asking it for single tokens.

A server that is up need not be able to answer (vLLM's /health says 200 long before and after it can), so
whether it can is asked the same way.
"""

import asyncio
from typing import Any, Literal

import msgspec

from backend_adapter.chat.decode import Tokens
from backend_adapter.chat.events import Failure, Usage
from backend_adapter.errors import AdapterError, RequestError, UpstreamError
from backend_adapter.upstreams.client import Upstream

Continuation = Literal["tokens", "prefill", "replay"]
ReasoningField = Literal["reasoning", "reasoning_content", ""]

# Fields that have an engine go on with the last message instead of answering it. vLLM and llama.cpp read
# the same two; a server that ignores them is found out by its prompt's length.
PREFILL_FIELDS: dict[str, Any] = {"continue_final_message": True, "add_generation_prompt": False}
# Has an engine tell the token ids of the prompt and of what it generates.
TOKEN_FIELDS: dict[str, Any] = {"return_token_ids": True}
_TOKEN_ENGINES = ("vllm", "petals")

PROBE_TEXT = "Hi"
PROBE: dict[str, Any] = {
    "messages": [{"role": "user", "content": PROBE_TEXT}],
    "max_tokens": 1,
    "temperature": 0,
}
# A word that every tokenizer has in one token, or two with its space; a turn's end and the next one's
# beginning take more.
_CONTINUED = "ok"
_CONTINUED_TOKENS = 2


class Capabilities(msgspec.Struct, frozen=True):
    """What one upstream can do with a model; None is what is not known.

    How it goes on with an answer that was begun elsewhere: `tokens`, it gives token ids and takes them as a
    prompt, which is exact; `prefill`, it takes the beginning of an answer as text; `replay`, neither, so that
    it can only answer anew.

    Of vLLM also: the field that holds thinking (empty: none), whether it reads tool calls that the model
    chooses to make, holds an answer to a JSON schema, and computes what prompts share only once.
    """

    continuation: Continuation = "replay"
    reasoning_field: ReasoningField | None = None
    tool_parser: bool | None = None
    structured_outputs: bool | None = None
    prefix_caching: bool | None = None

    @property
    def tokens(self) -> bool:
        return self.continuation == "tokens"


async def probe(upstream: Upstream, model: str) -> tuple[Capabilities, float]:
    """Have `model` generate a token; also the seconds until it came.

    Raises AdapterError where it does not answer.
    """
    begun = asyncio.get_running_loop().time()
    try:
        tokens, prompt = await _first_token(upstream, model)
    except AdapterError:
        if not await _embeds(upstream, model):
            raise
        tokens, prompt = Tokens(), 0
    seconds = asyncio.get_running_loop().time() - begun
    wanted = upstream.settings.continuation
    if wanted != "auto":
        return Capabilities(wanted), seconds
    if tokens.prompt and tokens.generated:
        return Capabilities("tokens"), seconds
    if prompt and await _goes_on(upstream, model, prompt):
        return Capabilities("prefill"), seconds
    return Capabilities(), seconds


async def _first_token(upstream: Upstream, model: str) -> tuple[Tokens, int]:
    extra = TOKEN_FIELDS if upstream.settings.engine in _TOKEN_ENGINES else {}
    try:
        return await _generate(upstream, {"model": model, **PROBE, **extra})
    except RequestError:
        # A base model has no template for chats.
        body = {"model": model, "prompt": PROBE_TEXT, "max_tokens": 1, **extra}
        return await _generate(upstream, body, "completions")


async def _embeds(upstream: Upstream, model: str) -> bool:
    """Whether a model that generates nothing is there to embed texts."""
    try:
        await upstream.post("embeddings", {"model": model, "input": PROBE_TEXT})
    except AdapterError:
        return False
    return True


async def _goes_on(upstream: Upstream, model: str, prompt_tokens: int) -> bool:
    """Whether a last message of the assistant is gone on with, instead of being answered."""
    messages = [*PROBE["messages"], {"role": "assistant", "content": _CONTINUED}]
    body = {"model": model, **PROBE, "messages": messages, **PREFILL_FIELDS}
    try:
        _, longer = await _generate(upstream, body)
    except AdapterError:
        return False
    return 0 < longer - prompt_tokens <= _CONTINUED_TOKENS


async def _generate(
    upstream: Upstream, body: dict[str, Any], path: str = "chat/completions"
) -> tuple[Tokens, int]:
    """What comes back with one token: the token ids, where they are told, and the prompt's length."""
    answer = await upstream.ask(path, body, 1)
    prompt_tokens = 0
    try:
        while events := await answer.read():
            for event in events:
                if isinstance(event, Failure):
                    raise UpstreamError(event.message, code=event.code, status=event.status)
                if isinstance(event, Usage):
                    prompt_tokens = event.prompt_tokens
    finally:
        await answer.close()
    return answer.tokens, prompt_tokens

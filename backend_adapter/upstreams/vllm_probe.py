"""What a vLLM server was started with, as far as requests depend on it, found out with single tokens.

Nothing here decides whether it is used: what cannot be found out stays unknown.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from backend_adapter.errors import AdapterError, RequestError
from backend_adapter.upstreams.capabilities import PROBE, Capabilities, ReasoningField
from backend_adapter.upstreams.client import Upstream
from backend_adapter.upstreams.load import caches_prefixes, read_samples

_CHAT = "chat/completions"
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "probe", "parameters": {"type": "object", "properties": {}}},
}
_WITH_TOOL: dict[str, Any] = {"tools": [_TOOL], "tool_choice": "auto"}
_FORMED: dict[str, Any] = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "probe", "schema": {"type": "object"}},
    }
}


async def probe_vllm(upstream: Upstream, model: str, known: Capabilities) -> Capabilities:
    """`known`, and what is found out beside it. Raises TimeoutError."""
    found = msgspec.structs.replace(
        known, prefix_caching=caches_prefixes(read_samples(await upstream.figures()))
    )
    body = {"model": model, **PROBE}
    try:
        plain = await upstream.post(_CHAT, body)
    except AdapterError:
        # A model that cannot chat refuses the other questions too, for a reason that says nothing about them.
        return found
    return msgspec.structs.replace(
        found,
        reasoning_field=_reasoning_field(plain),
        tool_parser=await _accepts(upstream, {**body, **_WITH_TOOL}),
        structured_outputs=await _accepts(upstream, {**body, **_FORMED}),
    )


async def _accepts(upstream: Upstream, body: Mapping[str, Any]) -> bool | None:
    """Whether such a request is not refused; None where something else went wrong."""
    try:
        await upstream.post(_CHAT, body)
    except RequestError:
        return False
    except AdapterError:
        return None
    return True


class _Choice(msgspec.Struct):
    message: dict[str, Any]


class _Answer(msgspec.Struct):
    choices: list[_Choice]


def _reasoning_field(raw: bytes) -> ReasoningField | None:
    """Which field of a message holds thinking; it is there even where nothing was thought."""
    try:
        message = msgspec.json.decode(raw, type=_Answer).choices[0].message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError):
        return None
    if "reasoning" in message:
        return "reasoning"
    return "reasoning_content" if "reasoning_content" in message else ""

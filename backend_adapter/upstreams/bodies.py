"""The body as one engine reads it: where engines name the same thing differently, its name."""

from collections.abc import Mapping
from typing import Any

_RENAMED: dict[str, dict[str, str]] = {
    "llama.cpp": {"repetition_penalty": "repeat_penalty"},
    "vllm": {"repeat_penalty": "repetition_penalty"},
}


def prepare(body: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """The body to send to `engine`. It always streams, so that an answer nobody wants can be aborted."""
    prepared = dict(body)
    prepared["stream"] = True
    prepared["stream_options"] = {"include_usage": True}
    for theirs, ours in _RENAMED.get(engine, {}).items():
        if theirs in prepared:
            value = prepared.pop(theirs)
            prepared.setdefault(ours, value)
    if engine == "vllm" and "messages" in prepared:
        # vLLM hands a template both names, but reads only this one from a request.
        prepared["messages"] = [
            {**message, "reasoning": message["reasoning_content"]}
            if "reasoning_content" in message
            else message
            for message in prepared["messages"]
        ]
    return prepared

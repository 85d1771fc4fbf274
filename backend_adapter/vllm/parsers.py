"""Which of vLLM's parsers read a model's tool calls and its thinking: vLLM does not find out by itself."""

import re
from typing import NamedTuple


class Parsers(NamedTuple):
    """Names as `vllm serve` takes them; None where the model needs none, or none is known."""

    tool: str | None = None
    reasoning: str | None = None


# What a model's name says about it, first match wins. The parsers are those of vLLM 0.32 (`vllm serve --help=all`);
# which of them reads what is in vLLM's documentation, "Tool Calling" and "Reasoning Outputs".
_FAMILIES: tuple[tuple[str, Parsers], ...] = (
    (r"gpt-?oss", Parsers("openai", "openai_gptoss")),
    (r"deepseek-?v?3[._-]?2", Parsers("deepseek_v32", "deepseek_v3")),
    (r"deepseek-?v?3[._-]?1", Parsers("deepseek_v31", "deepseek_v3")),
    (r"deepseek-?r1.*distill|r1-distill", Parsers(None, "deepseek_r1")),
    (r"deepseek-?r1", Parsers("deepseek_v3", "deepseek_r1")),
    (r"deepseek-?v3", Parsers("deepseek_v3", None)),
    (r"qwen-?3.*coder", Parsers("qwen3_coder", None)),
    (r"qwen-?3.*instruct", Parsers("hermes", None)),
    (r"qwen-?3|qwq", Parsers("hermes", "qwen3")),
    (r"qwen|hermes|smollm", Parsers("hermes", None)),
    (r"glm-?4[._-]?7", Parsers("glm47", "glm47")),
    (r"glm-?4", Parsers("glm45", "glm45")),
    (r"kimi-?k2", Parsers("kimi_k2", "kimi_k2")),
    (r"minimax-?m2", Parsers("minimax_m2", "minimax_m2")),
    (r"llama-?4", Parsers("llama4_pythonic", None)),
    (r"llama-?3", Parsers("llama3_json", None)),
    (r"magistral", Parsers("mistral", "mistral")),
    (r"mistral|mixtral|ministral|devstral", Parsers("mistral", None)),
    (r"granite-?4", Parsers("granite4", None)),
    (r"seed-?oss", Parsers("seed_oss", "seed_oss")),
)


def parsers_of(name: str) -> Parsers:
    """The parsers for a model of this name, such as the last part of `openai/gpt-oss-120b`."""
    for pattern, parsers in _FAMILIES:
        if re.search(pattern, name, re.IGNORECASE):
            return parsers
    return Parsers()

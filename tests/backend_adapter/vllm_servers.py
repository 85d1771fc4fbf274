"""What vLLM servers tell of themselves, and an adapter in front of scripted ones."""

from typing import Any

from samples import ADMIN
from scripted import RunningAdapter, ScriptedUpstream, StartAdapter


def told(model: str, engine: int, running: object, waiting: object, share: object) -> str:
    labels = f'engine="{engine}",model_name="{model}"'
    return (
        f"vllm:num_requests_running{{{labels}}} {running}\n"
        f"vllm:num_requests_waiting{{{labels}}} {waiting}\n"
        f'vllm:num_requests_waiting_by_reason{{{labels},reason="capacity"}} 99.0\n'
        f"vllm:kv_cache_usage_perc{{{labels}}} {share}\n"
    )


def cache(engine: int, tokens: object, prefixes: bool = True) -> str:
    labels = f'enable_prefix_caching="{prefixes}",engine="{engine}",kv_cache_size_tokens="{tokens}"'
    return f"vllm:cache_config_info{{{labels}}} 1.0\n"


def vllm(start_adapter: StartAdapter, *upstreams: ScriptedUpstream, **more: Any) -> RunningAdapter:
    """An adapter that takes them for vLLM servers, up0 and so on; an operator may look into it."""
    named = [
        {"name": f"up{number}", "base_url": each.base_url, "engine": "vllm"}
        for number, each in enumerate(upstreams)
    ]
    return start_adapter(upstreams=named, admin_key=ADMIN, **more)

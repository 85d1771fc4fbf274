"""The vLLM servers that `hoheit up --engine vllm` starts on one machine."""

from collections.abc import Iterator

from backend_adapter.vllm.settings import VllmSettings
from hoheit.parts import Part

# A large model is read from a disk for minutes; one that dies is noticed at once.
_START_S = 1800.0


def server_parts(vllm: VllmSettings) -> Iterator[Part]:
    """The servers as parts, one for each replica."""
    for number, port in enumerate(vllm.ports):
        yield Part(
            "vllm" if vllm.replicas == 1 else f"vllm-{number + 1}",
            "vllm",
            vllm.host,
            port,
            start_seconds=_START_S,
            arguments=("vllm", "serve", "--replica", str(number)),
        )

"""The command line and the variables of a vLLM server on one host, as plain data."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from backend_adapter.vllm.parsers import Parsers

# Nothing is sent to anybody, and nothing fetched, unless the model is to come from the hub.
_QUIET = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@dataclass(frozen=True)
class Command:
    """What starts a server: `arguments` follow `vllm`, `variables` are set beside those that are there."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)

    def shell(self, program: tuple[str, ...] = ("vllm",)) -> str:
        """One line that a shell understands, with `program` for vLLM's own command."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        return " ".join([*variables, shlex.join((*program, *self.arguments))])


@dataclass(frozen=True)
class Model:
    """The model of a server: its directory or its name on the hub, and under which name it is asked for."""

    source: str
    name: str
    parsers: Parsers
    dtype: str | None = None
    context_tokens: int | None = None

    def arguments(self) -> tuple[str, ...]:
        """What `vllm serve` has to know of it."""
        said = ["serve", self.source, "--served-model-name", self.name]
        if self.dtype is not None:
            said += ["--dtype", self.dtype]
        if self.context_tokens is not None:
            said += ["--max-model-len", str(self.context_tokens)]
        if self.parsers.tool is not None:
            # vLLM holds arguments to the schema only for tools that say "strict", or with this.
            said += ["--enable-auto-tool-choice", "--tool-call-parser", self.parsers.tool]
            said += ["--tool-strict-level", "parameter"]
        if self.parsers.reasoning is not None:
            said += ["--reasoning-parser", self.parsers.reasoning]
        return tuple(said)


def quiet(*, online: bool) -> dict[str, str]:
    """Variables that keep vLLM from talking to anybody; `online` lets it fetch the model."""
    return dict(_QUIET) if online else {**_QUIET, **_OFFLINE}


def listening(host: str, port: int) -> tuple[str, ...]:
    """Where a server listens, and what it tells its clients: the adapter asks for token ids and cached tokens."""
    return ("--host", host, "--port", str(port), "--enable-prompt-tokens-details")


def on_processors(cores: str | None, kv_cache_gib: int) -> dict[str, str]:
    """Variables of a server that computes on processors.

    `cores` are those it may use, as `0-3`, or as `0-3|4-7` for two processes; None lets vLLM choose, which leaves
    one core of each socket to others.
    """
    variables = {"VLLM_CPU_KVCACHE_SPACE": str(kv_cache_gib)}
    if cores is not None:
        # Two servers that choose for themselves choose the same cores.
        variables |= {
            "VLLM_CPU_OMP_THREADS_BIND": cores,
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        }
    return variables

"""What a vLLM server says of its own load, read from the few lines of its /metrics that tell it.

An adapter knows its own requests; the server also knows those of everybody else.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

_RUNNING = b"vllm:num_requests_running"
_WAITING = b"vllm:num_requests_waiting"
_BY_REASON = b"vllm:num_requests_waiting_by_reason"
_KV_SHARE = b"vllm:kv_cache_usage_perc"
_CACHE = b"vllm:cache_config_info"
# With the brace, so that no longer name begins like one of these.
_LINES = tuple(name + b"{" for name in (_RUNNING, _WAITING, _BY_REASON, _KV_SHARE, _CACHE))
# An engine has one line of each kind; more than this many are no figures of a server.
_MAX_LINES = 256
# A line of the text format: a parser of all of it takes ten times as long, in the event loop.
_LINE = re.compile(rb'([\w:]+)\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\} (\S+)')
_LABEL = re.compile(rb'(\w+)="((?:[^"\\]|\\.)*)"')


class Load(msgspec.Struct, frozen=True):
    """What one server carries: requests, the share of its KV cache in use (0 to 1), and that cache in tokens.

    `waiting` are those that wait for room. None is what it does not tell.
    """

    running: int
    waiting: int
    kv_cache_share: float | None = None
    kv_cache_tokens: int | None = None


class Sample(NamedTuple):
    """One line of figures."""

    name: bytes
    labels: dict[bytes, bytes]
    value: float


def read_samples(raw: bytes) -> list[Sample]:
    """The samples that matter here, out of a text in Prometheus' format; others are left out."""
    lines = [line for line in raw.split(b"\n") if line.startswith(_LINES)]
    return [sample for line in lines[:_MAX_LINES] if (sample := _read(line)) is not None]


def load_of(samples: Sequence[Sample], model: str) -> Load | None:
    """The load of all engines that serve `model`; None where nothing is told.

    A further name of the model, and a LoRA adapter of it, have no figures of their own: theirs are the server's.
    """
    wanted = model.encode()
    if any(sample.labels.get(b"model_name") == wanted for sample in samples):
        samples = [each for each in samples if each.labels.get(b"model_name", wanted) == wanted]
    told: dict[bytes, list[float]] = {}
    for sample in samples:
        told.setdefault(sample.name, []).append(sample.value)
    if _RUNNING not in told or _WAITING not in told:
        return None
    # A request whose grammar is being compiled waits too, in an engine that is idle.
    deferred = sum(
        sample.value
        for sample in samples
        if sample.name == _BY_REASON and sample.labels.get(b"reason") == b"deferred"
    )
    shares = told.get(_KV_SHARE)
    return Load(
        running=int(sum(told[_RUNNING])),
        waiting=max(0, int(sum(told[_WAITING]) - deferred)),
        kv_cache_share=sum(shares) / len(shares) if shares else None,
        kv_cache_tokens=_cache_tokens(samples),
    )


def caches_prefixes(samples: Sequence[Sample]) -> bool | None:
    """Whether prompts that begin alike are computed once; None where it is not told."""
    told = [
        sample.labels[b"enable_prefix_caching"] == b"True"
        for sample in samples
        if sample.name == _CACHE and b"enable_prefix_caching" in sample.labels
    ]
    return all(told) if told else None


def _read(line: bytes) -> Sample | None:
    found = _LINE.match(line)
    if found is None:
        return None
    name, labels, number = found.groups()
    try:
        value = float(number)
    except ValueError:
        return None
    if not math.isfinite(value) or value < 0:
        return None
    return Sample(name, dict(_LABEL.findall(labels)), value)


def _cache_tokens(samples: Sequence[Sample]) -> int | None:
    """The room of all engines' caches; one that has not measured it yet says "None"."""
    told = [
        int(tokens)
        for sample in samples
        if sample.name == _CACHE
        and (tokens := sample.labels.get(b"kv_cache_size_tokens", b"")).isdigit()
    ]
    return sum(told) if told else None

"""Which nodes there are, and which layers each serves: plain data that both sides share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

State: TypeAlias = Literal["joining", "online", "offline"]


@dataclass(frozen=True)
class Span:
    """One node's layers [start, end), and what it announces of itself.

    `inference_rps` is how many layers it computes in a second, a token each; `cache_tokens_left` is counted in
    tokens of one layer; `next_pings` are round trips to other nodes in seconds.
    """

    peer: str
    start: int
    end: int
    state: State = "online"
    name: str = ""
    throughput: float = 0.0
    inference_rps: float | None = None
    cache_tokens_left: int | None = None
    next_pings: Mapping[str, float] = field(default_factory=dict)
    version: str = ""
    features: frozenset[str] = frozenset()
    proof: str = ""

    @property
    def length(self) -> int:
        """How many layers it has."""
        return self.end - self.start


@dataclass(frozen=True)
class SwarmState:
    """All nodes of a model of so many `layers`, and the round trips to them in seconds."""

    layers: int
    spans: tuple[Span, ...] = ()
    round_trips: Mapping[str, float] = field(default_factory=dict)

    def coverage(self) -> list[int]:
        """How many nodes serve each layer now."""
        return coverage(self.spans, self.layers)

    def missing(self) -> list[tuple[int, int]]:
        """The layers that nobody serves now, as ranges from first to one past the last."""
        return missing(self.spans, 0, self.layers)


def coverage(spans: Sequence[Span], layers: int) -> list[int]:
    """How many of `spans` that are online serve each layer."""
    counts = [0] * layers
    for span in spans:
        if span.state == "online":
            for layer in range(max(0, span.start), min(layers, span.end)):
                counts[layer] += 1
    return counts


def missing(spans: Sequence[Span], start: int, end: int) -> list[tuple[int, int]]:
    """The ranges within [start, end) that no span that is online covers."""
    counts = coverage(spans, end)
    ranges: list[tuple[int, int]] = []
    for layer in range(start, end):
        if counts[layer]:
            continue
        if ranges and ranges[-1][1] == layer:
            ranges[-1] = (ranges[-1][0], layer + 1)
        else:
            ranges.append((layer, layer + 1))
    return ranges


def named(text: str, layers: int) -> tuple[int, int]:
    """The range that `text` names: 10:20, or as a share 2/3, the second third of all layers.

    Raises ValueError for a range that is not within them.
    """
    if ":" in text:
        start, end = (int(each) for each in text.split(":"))
    else:
        number, parts = (int(each) for each in text.split("/"))
        if not 1 <= number <= parts:
            raise ValueError(f"there is no share {text}")
        start, end = (round(layers * each / parts) for each in (number - 1, number))
    if not 0 <= start < end <= layers:
        raise ValueError(f"{text} is no range of {layers} layers")
    return start, end


def neediest(counts: Sequence[int], length: int) -> tuple[int, int]:
    """The window of `length` layers that is served worst: where a new node helps most.

    Of two windows, the one whose worst-served layers are served worse; of equals the first (the rule of Petals'
    server, Borzunov et al., "Distributed Inference and Fine-tuning of Large Language Models Over The Internet",
    2023).
    """
    length = min(length, len(counts))
    starts = range(len(counts) - length + 1)
    start = min(starts, key=lambda each: (sorted(counts[each : each + length]), each))
    return start, start + length

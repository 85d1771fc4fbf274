"""What the gateway to a swarm tells of it: which layers are served, and by which nodes.

It is read by an allow-list, like everything that comes from an upstream: names and texts are made safe to
show, figures are figures, and there is a bound on how many of them are kept.
"""

from typing import Annotated, Literal

import msgspec

from backend_adapter.chat.plain import plain_text

_MAX_NODES = 256
_MAX_LAYERS = 4096
_MAX_NAME = 64

Count = Annotated[int, msgspec.Meta(ge=0)]
Layer = Annotated[int, msgspec.Meta(ge=0, le=_MAX_LAYERS)]


class Node(msgspec.Struct, frozen=True):
    """One node: the layers [start, end) it serves, its round trip in seconds, its room in tokens."""

    layers: tuple[Layer, Layer]
    state: Literal["joining", "online", "offline"]
    peer: str = ""
    name: str = ""
    round_trip_s: float | None = None
    cache_tokens_left: Count | None = None


class SwarmReport(msgspec.Struct, frozen=True):
    """A swarm at one moment; `coverage` has the number of nodes that serve each layer."""

    layers: Layer
    coverage: tuple[Count, ...]
    missing: tuple[tuple[Layer, Layer], ...]
    spans: tuple[Node, ...]

    @property
    def layers_missing(self) -> int:
        """How many layers nobody serves."""
        return sum(each == 0 for each in self.coverage)

    @property
    def nodes(self) -> int:
        """How many nodes serve."""
        return sum(node.state == "online" for node in self.spans)


def read_report(raw: bytes) -> SwarmReport | None:
    """The report in the body of GET /swarm; None where it is none."""
    try:
        report = msgspec.json.decode(raw, type=SwarmReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(report.coverage) != report.layers:
        return None
    return SwarmReport(
        report.layers,
        report.coverage,
        report.missing[:_MAX_NODES],
        tuple(_shown(node) for node in report.spans[:_MAX_NODES]),
    )


def _shown(node: Node) -> Node:
    return msgspec.structs.replace(
        node, peer=plain_text(node.peer, _MAX_NAME), name=plain_text(node.name, _MAX_NAME)
    )

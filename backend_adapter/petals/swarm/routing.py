"""The way through the swarm: which node computes which layers, so that a token takes the least time.

Exact, by dynamic programming from layer to layer (Bellman, 1957): what a way costs up to a layer depends on nothing
but the node that computed that layer.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from backend_adapter.petals.errors import MissingLayersError
from backend_adapter.petals.spans import Span, SwarmState, missing

# Of a peer that nobody has asked yet, in seconds.
UNKNOWN_ROUND_TRIP_S = 0.15
# What each request costs beside the way: reading, queueing, writing.
HOP_S = 0.005
# Of a node that announces no speed: layers in a second (Petals' own assumption).
UNKNOWN_RPS = 300.0
# A node without room refuses; it is asked only where nobody else serves the layers.
NO_ROOM_S = 10.0


def cheapest_path(
    state: SwarmState,
    max_tokens: int,
    start: int,
    end: int,
    *,
    avoid: Collection[str] = (),
    chain: bool = True,
) -> tuple[Span, ...]:
    """The spans that compute the layers [start, end) in the least time, cut to what each computes.

    `max_tokens` need room in the caches; peers in `avoid` are never used. With `chain`, nodes send to one another,
    otherwise everything comes back to the client in between. Raises MissingLayersError with all that nobody serves.
    """
    usable = [each for each in state.spans if each.state == "online" and each.peer not in avoid]
    if gaps := missing(usable, start, end):
        raise MissingLayersError(gaps)
    # Of each span that a way up to the layer ends with: what the way costs, and which span came before.
    best: dict[int, float] = {}
    came: list[dict[int, int]] = []
    for layer in range(start, end):
        reached: dict[int, float] = {}
        before: dict[int, int] = {}
        for index, span in enumerate(usable):
            if not span.start <= layer < span.end:
                continue
            entering = _entering(span, layer, end, max_tokens)
            cost = math.inf
            if layer == start:
                cost = _round_trip(state, span) / 2 + HOP_S + entering
            for other, so_far in best.items():
                hop = 0.0 if other == index else entering + _hop(state, usable[other], span, chain)
                if so_far + hop < cost:
                    cost, before[index] = so_far + hop, other
            reached[index] = cost + layer_seconds(span)
        best = reached
        came.append(before)
    index = min(best, key=lambda each: best[each] + _round_trip(state, usable[each]) / 2)
    return _cut(usable, came, index, start)


def path_seconds(
    state: SwarmState, path: Sequence[Span], max_tokens: int, *, chain: bool = True
) -> float:
    """What `cheapest_path` minimises: seconds for a token along `path`, with the penalty for nodes without room."""
    announced = {each.peer: each for each in state.spans}
    seconds = _round_trip(state, path[0]) / 2 + HOP_S
    for before, span in zip((None, *path[:-1]), path, strict=True):
        if before is not None:
            seconds += _hop(state, before, span, chain)
        seconds += _entering(announced[span.peer], span.start, path[-1].end, max_tokens)
        seconds += span.length * layer_seconds(span)
    return seconds + _round_trip(state, path[-1]) / 2


def layer_seconds(span: Span) -> float:
    """How long the node takes for a layer of one token."""
    return 1 / (span.inference_rps or UNKNOWN_RPS)


def _cut(
    usable: Sequence[Span], came: Sequence[Mapping[int, int]], index: int, start: int
) -> tuple[Span, ...]:
    """Follow the way back from its last span; neighbouring layers of the same node are one span."""
    order = [index]
    for before in reversed(came[1:]):
        order.append(before[order[-1]])
    order.reverse()
    path: list[Span] = []
    for place, each in enumerate(order):
        if path and order[place - 1] == each:
            path[-1] = replace(path[-1], end=start + place + 1)
        else:
            path.append(replace(usable[each], start=start + place, end=start + place + 1))
    return tuple(path)


def _round_trip(state: SwarmState, span: Span) -> float:
    return state.round_trips.get(span.peer, UNKNOWN_ROUND_TRIP_S)


def _hop(state: SwarmState, before: Span, span: Span, chain: bool) -> float:
    """From one node to the next: directly, or through the client."""
    through = (_round_trip(state, before) + _round_trip(state, span)) / 2
    if not chain:
        return through + HOP_S
    return before.next_pings.get(span.peer, 2 * through) / 2 + HOP_S


def _entering(span: Span, layer: int, end: int, max_tokens: int) -> float:
    """A penalty where the node has no room for the layers that it could compute from `layer` on."""
    if span.cache_tokens_left is None:
        return 0.0
    needed = max_tokens * (min(span.end, end) - layer)
    return NO_ROOM_S if needed > span.cache_tokens_left else 0.0

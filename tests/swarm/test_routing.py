"""The way through the swarm is the cheapest there is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.petals.errors import MissingLayersError
from backend_adapter.petals.membership import Membership
from backend_adapter.petals.spans import Span, SwarmState
from backend_adapter.petals.swarm.routing import cheapest_path, path_seconds

LAYERS = 5
PEERS = "abcd"


@st.composite
def swarms(draw: st.DrawFn) -> SwarmState:
    seconds = st.floats(0.001, 0.5)
    spans = []
    for peer in PEERS[: draw(st.integers(1, len(PEERS)))]:
        start = draw(st.integers(0, LAYERS - 1))
        spans.append(
            Span(
                peer=peer,
                start=start,
                end=draw(st.integers(start + 1, LAYERS)),
                state=draw(st.sampled_from(["online", "online", "online", "joining", "offline"])),
                inference_rps=draw(st.none() | st.floats(1, 1000)),
                cache_tokens_left=draw(st.none() | st.integers(0, 5000)),
                next_pings=draw(st.dictionaries(st.sampled_from(PEERS), seconds)),
            )
        )
    trips = draw(st.dictionaries(st.sampled_from(PEERS), seconds))
    return SwarmState(LAYERS, tuple(spans), trips)


def every_path(state: SwarmState, layer: int = 0, last: str = "") -> Iterator[list[Span]]:
    """All ways through the layers, by trying everything."""
    if layer == state.layers:
        yield []
        return
    for span in state.spans:
        if span.state != "online" or span.peer == last or not span.start <= layer < span.end:
            continue
        for end in range(layer + 1, span.end + 1):
            for rest in every_path(state, end, span.peer):
                yield [replace(span, start=layer, end=end), *rest]


@settings(deadline=None)
@given(swarms(), st.sampled_from([1, 500]), st.booleans())
def test_no_path_is_cheaper(state: SwarmState, tokens: int, chain: bool) -> None:
    # There is always a way.
    state = replace(state, spans=(*state.spans, Span("z", 0, LAYERS, inference_rps=20)))
    costs = [path_seconds(state, path, tokens, chain=chain) for path in every_path(state)]
    found = cheapest_path(state, tokens, 0, LAYERS, chain=chain)
    assert path_seconds(state, found, tokens, chain=chain) == pytest.approx(min(costs))


@settings(deadline=None)
@given(swarms(), st.sets(st.sampled_from(PEERS)), st.integers(0, LAYERS - 1), st.data())
def test_each_layer_is_computed_once_by_who_may_or_is_named_as_missing(
    state: SwarmState, avoid: set[str], start: int, data: st.DataObject
) -> None:
    end = data.draw(st.integers(start + 1, LAYERS))
    usable = [each for each in state.spans if each.state == "online" and each.peer not in avoid]
    unserved = [
        layer
        for layer in range(start, end)
        if not any(each.start <= layer < each.end for each in usable)
    ]
    try:
        path = cheapest_path(state, 10, start, end, avoid=avoid)
    except MissingLayersError as error:
        assert [layer for gap in error.layers for layer in range(*gap)] == unserved
        assert unserved
        return
    assert not unserved
    assert [layer for span in path for layer in range(span.start, span.end)] == list(
        range(start, end)
    )
    announced = {each.peer: each for each in usable}
    for span in path:
        whole = announced[span.peer]
        assert whole.start <= span.start < span.end <= whole.end


def test_a_node_with_room_is_preferred_to_a_faster_one_without() -> None:
    full = Span("full", 0, 4, inference_rps=1000, cache_tokens_left=100)
    free = Span("free", 0, 4, inference_rps=50, cache_tokens_left=4000)
    state = SwarmState(4, (full, free), {"full": 0.001, "free": 0.1})
    assert [each.peer for each in cheapest_path(state, 1000, 0, 4)] == ["free"]
    assert [each.peer for each in cheapest_path(state, 10, 0, 4)] == ["full"]


def test_nodes_that_are_near_one_another_are_chosen_for_a_chain() -> None:
    first = Span("first", 0, 2, next_pings={"near": 0.01, "far": 0.2})
    # Seen from the client, it is the other way round.
    state = SwarmState(
        4, (first, Span("near", 2, 4), Span("far", 2, 4)), {"first": 0.1, "near": 0.11, "far": 0.1}
    )
    assert [each.peer for each in cheapest_path(state, 10, 0, 4)] == ["first", "near"]
    assert [each.peer for each in cheapest_path(state, 10, 0, 4, chain=False)] == ["first", "far"]


def test_a_copied_proof_does_not_make_a_member() -> None:
    membership = Membership(key=b"k" * 32)
    assert membership.admits("a", membership.proof("a"))
    assert not membership.admits("b", membership.proof("a"))

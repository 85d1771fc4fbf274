"""What the routes work with: the model's text, the engine, and what is known of the swarm."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from backend_adapter.petals.errors import MissingLayersError
from backend_adapter.petals.gateway.engine import Engine
from backend_adapter.petals.gateway.faults import BadRequestError
from backend_adapter.petals.spans import Span, SwarmState


class Text(Protocol):
    """What is needed of `model.tokenizer.Text`: see there."""

    knows_tools: bool
    marks_calls: bool

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str: ...

    def prompt(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None = None,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int]: ...


class Coverage:
    """Whether all layers are served.

    An answer waits for layers that were served until a moment ago, because nodes restart; for others it does not.
    """

    def __init__(
        self,
        state: Callable[[], SwarmState],
        recover_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state, self._recover_s, self._clock = state, recover_s, clock
        self._complete_at: float | None = None

    def check(self, *, patient: bool = False) -> None:
        """Raises MissingLayersError; `patient` as one that can wait for a node to return."""
        missing = self._state().missing()
        now = self._clock()
        if not missing:
            self._complete_at = now
            return
        lately = self._complete_at is not None and now - self._complete_at < self._recover_s
        if not (patient and lately):
            raise MissingLayersError(missing)


def crowded(state: SwarmState, tokens: int) -> bool:
    """Whether some layer has no node left with room for a conversation of `tokens`.

    Other gateways share the nodes: what is only kept must not stand in the way of what is said there.
    """
    room = [0] * state.layers
    for span in state.spans:
        if span.state == "online":
            left = (
                tokens if span.cache_tokens_left is None else span.cache_tokens_left // span.length
            )
            for layer in range(span.start, min(span.end, state.layers)):
                room[layer] = max(room[layer], left)
    return any(count and left < tokens for count, left in zip(state.coverage(), room, strict=True))


@dataclass(frozen=True)
class Parts:
    """All of it.

    `vocabulary` is how many tokens the model knows; `banned` are peers that are not used for now, with the reason.
    """

    text: Text
    engine: Engine
    state: Callable[[], SwarmState]
    coverage: Coverage
    vocabulary: int
    banned: Callable[[], Mapping[str, str]] = field(default=dict)

    def check_tokens(self, ids: Sequence[int], param: str) -> None:
        """Raises BadRequestError for what is no token of the model."""
        if ids and max(ids) >= self.vocabulary:
            raise BadRequestError(
                f"{max(ids)} is no token: the model has {self.vocabulary}.",
                "Send ids of this model's own tokenizer.",
                param=param,
            )

    def report(self) -> dict[str, Any]:
        """The state of the swarm as /swarm tells it."""
        state, engine = self.state(), self.engine
        return {
            "layers": state.layers,
            "coverage": state.coverage(),
            "missing": [list(each) for each in state.missing()],
            "spans": [_span(each, state) for each in state.spans],
            "banned": [{"peer": peer, "reason": why} for peer, why in self.banned().items()],
            "sessions": {
                "kept": engine.conversations.kept,
                "in_use": engine.conversations.taken,
            },
            "running": engine.running,
            "figures": asdict(engine.figures),
        }


def _span(span: Span, state: SwarmState) -> dict[str, Any]:
    return {
        "peer": span.peer,
        "name": span.name,
        "layers": [span.start, span.end],
        "state": span.state,
        "throughput": span.throughput,
        "inference_rps": span.inference_rps,
        "cache_tokens_left": span.cache_tokens_left,
        "round_trip_s": state.round_trips.get(span.peer),
        "version": span.version,
        "features": sorted(span.features),
    }

"""Every error that the swarm's parts raise on purpose.

SwarmError
├── SwarmSettingsError     the node or the gateway cannot start as it was told to
├── WeightsError           the model's directory is not there or cannot be read
├── SwarmUnreachableError  no node that is known answers
├── MissingLayersError     nobody serves some layers now
├── NodeLostError          a node died, hung or lied, and no other way was found in time
├── CacheFullError         the nodes have no room for a conversation of this length
└── GenerationError        the request cannot be generated as it was asked for
"""

from collections.abc import Sequence


class SwarmError(Exception):
    """Root of the family: what went wrong, with the offending value, and what to do about it.

    `code` is what programs tell it by; it is part of what a client of the gateway gets.
    """

    code = "swarm_error"
    status = 503

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SwarmSettingsError(SwarmError):
    """The node or the gateway cannot start as it was told to."""

    code = "swarm_settings"


class WeightsError(SwarmError):
    """The model's directory is not there or cannot be read."""

    code = "weights"


class SwarmUnreachableError(SwarmError):
    """No node that is known answers."""

    code = "swarm_unreachable"


class MissingLayersError(SwarmError):
    """Nobody serves some layers now; `layers` are ranges from first to one past the last."""

    code = "missing_layers"

    def __init__(self, layers: Sequence[tuple[int, int]]) -> None:
        self.layers = tuple(layers)
        named = ", ".join(f"{start} to {end - 1}" for start, end in self.layers)
        super().__init__(
            f"No node of the swarm serves the layers {named} now.",
            "Start a node for them (hoheit petals node); the answer comes when one has joined.",
        )


class NodeLostError(SwarmError):
    """A node died, hung or lied, and no other way was found in time."""

    code = "node_lost"


class CacheFullError(SwarmError):
    """The nodes have no room for a conversation of this length."""

    code = "cache_full"
    status = 429


class GenerationError(SwarmError):
    """The request cannot be generated as it was asked for."""

    code = "generation"
    status = 400

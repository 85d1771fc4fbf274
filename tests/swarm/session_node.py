"""A node as it is started in earnest, except that it may falsify its answers as its argument says."""

import sys

import torch

from backend_adapter.petals.node import layers, serve

_WRONG = {
    "nan": lambda states: torch.full_like(states, float("nan")),
    "slightly": lambda states: states + 0.5 * torch.randn_like(states),
    "narrow": lambda states: states[:, :-1],
}


def falsify(how: str) -> None:
    """Have every batch's outputs changed."""
    honest = layers.Layers.run

    def run(self: layers.Layers, *arguments: object) -> torch.Tensor:
        return _WRONG[how](honest(self, *arguments))  # type: ignore[arg-type, no-any-return]

    layers.Layers.run = run  # type: ignore[method-assign]


if __name__ == "__main__":
    if sys.argv[1]:
        falsify(sys.argv[1])
    sys.exit(serve.main([]))

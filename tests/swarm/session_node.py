"""A node as it is started in earnest, except that it misbehaves as a file says that the test writes.

`slow` makes every batch take a moment, so that a test can strike in the middle of it.
"""

import sys
import time
from pathlib import Path

import torch

from backend_adapter.petals.node import layers, serve


def misbehave(orders: Path) -> None:
    """Have every batch computed as the file says at that time."""
    honest = layers.Layers.run

    def run(self: layers.Layers, *arguments: object) -> torch.Tensor:
        order = orders.read_text().split() if orders.exists() else []
        if "slow" in order:
            time.sleep(0.05)
        if "fail" in order:
            raise RuntimeError("told to fail")
        states: torch.Tensor = honest(self, *arguments)  # type: ignore[arg-type]
        if "nan" in order:
            return torch.full_like(states, float("nan"))
        if "wrong" in order:
            return states + 0.5 * torch.randn_like(states)
        return states[:, :-1] if "narrow" in order else states

    layers.Layers.run = run  # type: ignore[assignment, method-assign]


if __name__ == "__main__":
    misbehave(Path(sys.argv[1]))
    sys.exit(serve.main([]))

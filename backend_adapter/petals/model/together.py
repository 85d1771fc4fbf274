"""Several threads' rows through one matrix: a processor spends its time on reading the matrix, not on the rows."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(eq=False)
class _Rows:
    given: torch.Tensor
    made: torch.Tensor | None = None
    fault: Exception | None = None


class Together:
    """`compute` (rows [n, in] to rows [n, out]), called by one thread at a time with the rows of all that wait."""

    def __init__(self, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._compute = compute
        self._computing, self._entering = threading.Lock(), threading.Lock()
        self._waiting: list[_Rows] = []

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """What is made of `rows`. Blocks; raises what `compute` does."""
        own = _Rows(rows)
        with self._entering:
            self._waiting.append(own)
        with self._computing:
            # Whoever had its turn while this thread waited may have computed for it.
            if own.made is None and own.fault is None:
                self._all()
        if own.made is None:
            assert own.fault is not None  # noqa: S101 - one of both was set
            raise own.fault
        return own.made

    def _all(self) -> None:
        with self._entering:
            taken, self._waiting = self._waiting, []
        counts = [each.given.shape[0] for each in taken]
        try:
            made = self._compute(torch.cat([each.given for each in taken])).split(counts)
        except Exception as error:  # noqa: BLE001 - each thread raises it where it asked
            for each in taken:
                each.fault = error
            return
        for each, rows in zip(taken, made, strict=True):
            each.made = rows

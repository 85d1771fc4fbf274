"""How much longer each piece of a streamed answer takes because its pseudonyms become values again."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend_adapter.chat.events import Event, Finish, Text
from backend_adapter.chat.reasoning import reasoning_stages
from backend_adapter.chat.stages import Stage, Stages
from benchmarks.egress import ours
from benchmarks.egress.labelled import known_values

# What a token is in characters, about.
_PIECE = 4
_VALUES = 100


def measure(seed: int, rounds: int) -> dict[str, float | int]:
    """Milliseconds per piece that the restoring step adds to the steps which an answer passes anyway.

    Every piece is timed with that step and without it, in turn, `rounds` times; what it adds is the difference of
    the medians. The answer names every value that the chat knows, each among other words.
    """
    known = [
        each for each in known_values(seed, _VALUES) if each.kind in ("person", "iban", "email")
    ]
    told = " ".join(
        f"Bitte antworten Sie {each.text} bis Freitag und legen Sie ab." for each in known
    )
    with tempfile.TemporaryDirectory(prefix="hoheit-egress-") as folder:
        guard = ours.guard(Path(folder), known)
    protected = guard.protect("chat")
    leaving: Any = protected.outgoing({"messages": [{"role": "user", "content": told}]})
    answer = leaving["messages"][0]["content"]
    pieces = [answer[at : at + _PIECE] for at in range(0, len(answer), _PIECE)]
    restored = "".join(_said(_steps([protected.incoming()]), pieces))
    # A program's form of an account has no groups.
    if restored.replace(" ", "") != told.replace(" ", ""):
        raise SystemExit("What was restored is not what was sent; nothing was measured.")
    bare, whole = list[list[float]](), list[list[float]]()
    for _ in range(rounds):
        bare.append(_times(_steps([]), pieces))
        whole.append(_times(_steps([protected.incoming()]), pieces))
    added = [
        1000 * (statistics.median(w) - statistics.median(b))
        for w, b in zip(zip(*whole, strict=True), zip(*bare, strict=True), strict=True)
    ]
    cuts = statistics.quantiles(added, n=1000)
    return {
        "added_ms_p50": round(statistics.median(added), 5),
        "added_ms_p99": round(cuts[989], 5),
        "added_ms_max": round(max(added), 5),
        "pieces": len(pieces),
        "pseudonyms": len(known),
    }


def _steps(more: Sequence[Stage]) -> Stages:
    return Stages([*reasoning_stages(starts_open=False), *more])


def _times(steps: Stages, pieces: Sequence[str]) -> list[float]:
    """Seconds that each piece takes."""
    times = []
    for piece in pieces:
        began = time.perf_counter()
        for _ in steps.feed(Text(piece)):
            pass
        times.append(time.perf_counter() - began)
    return times


def _said(steps: Stages, pieces: Sequence[str]) -> list[str]:
    events: list[Event] = [*(Text(piece) for piece in pieces), Finish("stop")]
    return [out.text for event in events for out in steps.feed(event) if isinstance(out, Text)]

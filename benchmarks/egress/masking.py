"""What LiteLLM with Presidio finds: each text is a user's message, and held against what the upstream got instead.

Its guardrail puts `<CATEGORY>` in the place of what it found, so the places are where the two differ. It does not
restore answers here: where it does (version 1.108.7), what was found twice in one place is replaced twice, and what
leaves is no longer the text with masks in it.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from benchmarks.egress.leaving import endpoint, post, request
from benchmarks.egress.peers.litellm import litellm
from benchmarks.egress.peers.running import Run
from benchmarks.egress.recorder import MODEL, Recorder, recording
from benchmarks.egress.scoring import Place

_MASK = re.compile(r"<([A-Z_]+)>")


def run(texts: Sequence[str], values: Sequence[str] = ()) -> Run:
    """What is masked in texts, `values` being listed in its settings; processor time of the proxy and Presidio.

    Raises SystemExit if the proxy does not start or does not pass on a text.
    """
    with tempfile.TemporaryDirectory(prefix="hoheit-egress-") as folder, recording() as recorder:
        at, upstream = Path(folder) / "litellm", endpoint(recorder)
        with litellm(at, upstream, MODEL, restores=False, values=values) as port:
            _sent("warm up", port, recorder)
            began = _processor_seconds()
            found = [list(places(text, _sent(text, port, recorder))) for text in texts]
            return Run(found, _processor_seconds() - began)


def places(text: str, masked: str) -> Iterator[Place]:
    """What was masked, in order. Raises SystemExit if `masked` is not the text with masks in it."""
    first, *rest = _MASK.split(masked)
    categories, between = rest[::2], rest[1::2]
    pattern = re.escape(first) + "".join(f"(.+?){re.escape(each)}" for each in between)
    if (match := re.fullmatch(pattern, text, re.DOTALL)) is None:
        raise SystemExit(f"What LiteLLM sent is no masked form of the text: {masked[:200]!r}")
    for number, category in enumerate(categories, 1):
        yield Place(*match.span(number), category)


def _sent(text: str, port: int, recorder: Recorder) -> str:
    recorder.bodies.clear()
    status = post(port, request(text, "message"), "masking")
    if status != 200 or len(recorder.bodies) != 1:
        raise SystemExit(f"LiteLLM answered {status} and did not pass on this: {text[:200]!r}")
    return str(json.loads(recorder.bodies[0])["messages"][0]["content"])


def _processor_seconds() -> float:
    """Of all that this process started and that still runs."""
    times = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)

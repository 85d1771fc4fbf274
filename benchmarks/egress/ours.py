"""The boundary itself, as the adapter reads it from its settings."""

import csv
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend_adapter.egress.guard import Guard
from backend_adapter.egress.settings import EgressSettings
from benchmarks.egress.corpus import Document
from benchmarks.egress.labelled import Known, Sample, body, still_there
from benchmarks.egress.peers.running import Run
from benchmarks.egress.scoring import Place, stands_in

_KEY = "benchmark-" * 4


def guard(folder: Path, known: Sequence[Known] = ()) -> Guard:
    """The guard with its defaults, which knows these values from lists that are written into `folder`."""
    lists = defaultdict[str, list[str]](list)
    for value in known:
        lists[value.kind].append(value.text)
    dictionaries = []
    for kind, texts in lists.items():
        path = folder / f"{kind}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("value",), *((text,) for text in texts)])
        dictionaries.append({"path": path, "column": "value", "kind": kind})
    return Guard.read(EgressSettings.model_validate({"key": _KEY, "dictionaries": dictionaries}))


def run(guard: Guard, texts: Sequence[str]) -> Run:
    """What it finds in each text, and the processor time that takes, which does not depend on who else runs."""
    guard.find("warm up")
    began = time.process_time()
    found = [guard.find(text) for text in texts]
    seconds = time.process_time() - began
    return Run(
        [[Place(each.start, each.end, each.category) for each in places] for places in found],
        seconds,
    )


def end_to_end(guard: Guard, documents: Sequence[Document]) -> dict[str, float | int]:
    """How many values are gone from the request that leaves, when each text is a tool's result.

    There JSON is looked through value by value, and the text is written anew. `scoring.stands_in` tells what is
    left.
    """
    gone, there = 0, 0
    for number, document in enumerate(documents):
        call = {"id": "c1", "type": "function", "function": {"name": "tool", "arguments": "{}"}}
        asked = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "tool_call_id": "c1", "content": document.text}
        request: dict[str, Any] = {"model": "m", "messages": [asked, result]}
        left: Any = guard.protect(f"chat-{number}").outgoing(request)
        text = left["messages"][1]["content"]
        for gold in document.gold:
            if stands_in(document, gold, text):
                there += 1
            else:
                gone += 1
    return {"recall": round(gone / (gone + there), 4), "values": gone + there}


def labelled(guard: Guard, samples: Sequence[Sample]) -> list[bool]:
    """Whether each known value is gone from the request that leaves."""
    return [
        not still_there(sample, guard.protect(f"chat-{number}").outgoing(body(sample)))
        for number, sample in enumerate(samples)
    ]

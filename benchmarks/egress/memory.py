"""What a long list costs: a guard that knows so many names, alone in a process of its own.

python -m benchmarks.egress.memory 1000000
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from faker.providers.person.de_DE import Provider

from backend_adapter.egress.guard import Guard
from backend_adapter.egress.settings import EgressSettings
from benchmarks.egress.corpus import generate

_ROOT = Path(__file__).resolve().parents[2]
_FIRST = tuple(dict.fromkeys(Provider.first_names))
_LAST = tuple(dict.fromkeys(Provider.last_names))


def measure(entries: int) -> dict[str, Any]:
    """The figures of a fresh process with a list of so many names. Raises SystemExit."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.egress.memory", str(entries)],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"A list of {entries} names cannot be loaded:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the list, reads it as the adapter does, and prints the figures as JSON."""
    entries = int((arguments or sys.argv[1:])[0])
    with tempfile.TemporaryDirectory(prefix="hoheit-egress-") as folder:
        path = Path(folder) / "people.txt"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{_name(number)}\n" for number in range(entries))
        size = path.stat().st_size
        settings = EgressSettings.model_validate(
            {"key": "benchmark-" * 4, "dictionaries": [{"path": path, "kind": "person"}]}
        )
        before = psutil.Process().memory_info().rss
        began = time.perf_counter()
        guard = Guard.read(settings)
        loaded = time.perf_counter() - began
        after = psutil.Process().memory_info().rss
        texts = [document.text for document in generate(1, 3)]
        first, last = _name(0), _name(entries - 1)
        found = all(guard.find(f"Das ist {each.upper()}.") for each in (first, last))
        began = time.perf_counter()
        for text in texts:
            guard.find(text)
        seconds = time.perf_counter() - began
    said = {
        "entries": entries,
        "list_mb": round(size / 1e6, 1),
        "memory_mb": round((after - before) / 1e6, 1),
        # While it loads.
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
        "load_s": round(loaded, 1),
        "finds_first_and_last": found,
        "mb_per_s": round(sum(len(text.encode()) for text in texts) / 1e6 / seconds, 4),
    }
    print(json.dumps(said))


def _name(number: int) -> str:
    """The name of that number; no two numbers have the same."""
    number, first = divmod(number, len(_FIRST))
    number, last = divmod(number, len(_LAST))
    return f"{_FIRST[first]} {_LAST[last]}" + (f"-{_LAST[number % len(_LAST)]}" if number else "")


if __name__ == "__main__":
    main()

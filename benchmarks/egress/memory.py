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
        lists = [{"path": path, "kind": "person"}]
        settings = EgressSettings.model_validate({"key": "benchmark-" * 4, "dictionaries": lists})
        before = psutil.Process().memory_full_info()
        began, used = time.perf_counter(), _cpu_s()
        guard = Guard.read(settings)
        loaded, used = time.perf_counter() - began, _cpu_s() - used
        texts = [document.text for document in generate(1, 3)]
        found = all(
            guard.find(f"Das ist {_name(each).upper()}.") for each in (0, entries // 2, entries - 1)
        )
        began = time.process_time()
        for text in texts:
            guard.find(text)
        seconds = time.process_time() - began
        after = psutil.Process().memory_full_info()
    own, children = (
        resource.getrusage(whose).ru_maxrss / 1e3
        for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    said = {
        "entries": entries,
        "list_mb": round(size / 1e6, 1),
        # Of this process alone, and with what it shares with others that read the same file.
        "memory_mb": round(after.uss / 1e6, 1),
        "added_mb": round((after.uss - before.uss) / 1e6, 1),
        "with_shared_mb": round(after.rss / 1e6, 1),
        # While the list was read, by this process and by the one that it started.
        "peak_mb": round(own, 1),
        "peak_of_child_mb": round(children, 1),
        "load_s": round(loaded, 2),
        "load_cpu_s": round(used, 2),
        "finds_all": found,
        "mb_per_s": round(sum(len(text.encode()) for text in texts) / 1e6 / seconds, 4),
    }
    print(json.dumps(said))


def _cpu_s() -> float:
    """Processor time of this process and of those that it has started."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(each.ru_utime + each.ru_stime for each in map(resource.getrusage, kinds))


def _name(number: int) -> str:
    """The name of that number; no two numbers have the same."""
    number, first = divmod(number, len(_FIRST))
    number, last = divmod(number, len(_LAST))
    return f"{_FIRST[first]} {_LAST[last]}" + (f"-{_LAST[number % len(_LAST)]}" if number else "")


if __name__ == "__main__":
    main()

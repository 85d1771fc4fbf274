"""Proves the failover: every fault at every place of an answer, through a real adapter.

Engines of three kinds (vllm: goes on from token ids, llama.cpp: from text, openai: only answers anew) fail
as they are told, and what the client gets is held against the answer that nobody disturbed.

    python -m benchmarks.faults --json
    python -m benchmarks.faults --only vllm-greedy            # of the cases those whose names hold this
    python -m benchmarks.faults --soak 300 --seed 1           # mixed faults at random, engines killed
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults.cases import Row, cases
from benchmarks.faults.matrix import run
from benchmarks.faults.report import soak_lines, table
from benchmarks.faults.soak import Soak, as_json, soak
from hoheit.progress import Progress


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose names hold TEXT")
    parser.add_argument(
        "--soak", type=int, default=0, metavar="SECONDS", help="mixed faults for so long"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the soak's faults (default 1)")
    parser.add_argument(
        "--clients", type=int, default=8, help="at the same time in the soak (default 8)"
    )
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line"
    )
    return parser


def _run_matrix(folder: Path, only: str, progress: Progress) -> list[Row]:
    wanted = [case for case in cases() if only in case.name]
    with progress.step(f"{len(wanted)} faults") as step:
        done: list[Row] = []

        def note(row: Row) -> None:
            done.append(row)
            broken = sum(bool(each.broken) for each in done)
            step.update(f"{len(done)} done, {broken} broken")

        return asyncio.run(run(folder, wanted, note))


def _run_soak(folder: Path, options: argparse.Namespace, progress: Progress) -> Soak:
    with progress.step(f"Mixed faults for {options.soak} s, seed {options.seed}") as step:
        running = soak(folder, options.soak, options.seed, options.clients, step.update)
        return asyncio.run(running)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the matrix, or the soak, and print what became of it; ends with 1 where something broke."""
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(case.name for case in cases()))
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    progress = Progress()
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="hoheit-faults-") as folder:
            if options.soak:
                soaked = _run_soak(Path(folder), options, progress)
                found, shown = as_json(soaked), soak_lines(soaked)
            else:
                rows = _run_matrix(Path(folder), options.only, progress)
                found = {
                    "cases": len(rows),
                    "broken": sum(bool(row.broken) for row in rows),
                    "seconds": round(time.monotonic() - begun, 1),
                    "rows": [row.as_json() for row in rows],
                }
                shown = table(rows)
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(found, ensure_ascii=False) if options.json else shown)
    if found["broken"]:
        sys.exit(1)


if __name__ == "__main__":
    main()

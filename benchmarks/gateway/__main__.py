"""What the gateway costs: the adapter, LiteLLM's proxy and a bare pass-through (nginx) in front of one upstream.

The upstream and the load client are C programs on one core, the proxy that is asked is alone on another, and
the proxies are asked in turn. CPU is user and system time of the proxy's processes.

    python -m benchmarks.gateway --json
    python -m benchmarks.gateway --only adapter,passthrough --streams 64    # seconds, while developing
    python -m benchmarks.gateway --quick

It needs gcc and nginx (scripts/nginx) and installs LiteLLM in an environment of its own on first use.
"""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.gateway.measure import (
    QUICK,
    Amounts,
    Results,
    measure_all,
    measure_streams,
    started,
    warm_up,
)
from benchmarks.gateway.proxies import PROXIES
from benchmarks.gateway.report import figures, table
from hoheit.progress import Progress


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := set(names) - set(PROXIES):
        raise argparse.ArgumentTypeError(f"{unknown.pop()!r} is none of {', '.join(PROXIES)}")
    return tuple(name for name in PROXIES if name in names)


def _counts(text: str) -> tuple[int, ...]:
    try:
        counts = tuple(int(each) for each in text.split(","))
    except ValueError:
        counts = ()
    if not counts or not all(1 <= count <= 1000 for count in counts):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers between 1 and 1000")
    return counts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gateway",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=tuple(PROXIES),
        metavar="NAMES",
        help=f"of {','.join(PROXIES)} only these",
    )
    parser.add_argument(
        "--streams",
        type=_counts,
        metavar="COUNTS",
        help="only concurrent streams, and only so many, as in 16,64",
    )
    parser.add_argument(
        "--rounds", type=int, help=f"how often all are asked in turn (default {Amounts.rounds})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round and few requests, for developing"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    parser = _parser()
    options = parser.parse_args(arguments)
    amounts = QUICK if options.quick else Amounts()
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error("--rounds must be at least 1")
        amounts = replace(amounts, rounds=options.rounds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with (
            tempfile.TemporaryDirectory(prefix="hoheit-gateway-") as folder,
            started(Path(folder), options.only, Progress()) as bench,
        ):
            if options.streams:
                results = Results()
                warm_up(bench)
                measure_streams(bench, results, options.streams, amounts.rounds)
            else:
                results = measure_all(bench, amounts)
    except KeyboardInterrupt:
        sys.exit(130)
    found = figures(results)
    print(json.dumps(found) if options.json else table(found))


if __name__ == "__main__":
    main()

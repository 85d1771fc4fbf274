"""What the egress boundary finds, and what it costs, beside its peers on the same work.

    python -m benchmarks.egress --json
    python -m benchmarks.egress --only hoheit --each 3        # seconds, while developing
    python -m benchmarks.egress --entries 10000000 --only hoheit

The peers are installed in environments of their own on first use (about 2.5 GB). What counts as found is said in
benchmarks/egress/scoring.py.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.egress import detecting, leaving, memory, restoring


def _names(text: str) -> tuple[str, ...]:
    names = text.split(",")
    if unknown := set(names) - set(detecting.NAMES):
        raise argparse.ArgumentTypeError(
            f"{unknown.pop()!r} is none of {', '.join(detecting.NAMES)}"
        )
    return tuple(name for name in detecting.NAMES if name in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.egress",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        type=_names,
        default=detecting.NAMES,
        metavar="NAMES",
        help=f"of {','.join(detecting.NAMES)} only these",
    )
    parser.add_argument("--seed", type=int, default=20261127, help="of the corpus")
    parser.add_argument(
        "--each", type=int, default=5, help="how often each template is filled (default 5)"
    )
    parser.add_argument(
        "--entries", type=int, default=1_000_000, help="names of the long list; 0 leaves it out"
    )
    parser.add_argument(
        "--misses", type=Path, metavar="FOLDER", help="write there what is missed in open templates"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line"
    )
    return parser


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures that were asked for."""
    found = detecting.measure(options.seed, options.each, options.only, options.misses)
    if detecting.LITELLM in options.only:
        # Each document is sent four times through each proxy.
        some = max(1, options.each // 5)
        ours = detecting.OURS in options.only
        found["leaked"] = leaving.measure(options.seed, some, ours=ours)
    if detecting.OURS in options.only:
        found.update(restoring.measure(options.seed, rounds=15))
        # The boundary's own figures are the first that one looks for.
        for name in ("labelled_recall", "recall", "precision", "mb_per_s"):
            found[name] = found[detecting.OURS][name]
        if options.entries:
            found["memory"] = memory.measure(options.entries)
    return found


def _table(found: dict[str, Any]) -> str:
    shown = ("labelled_recall", "recall", "precision", "mb_per_s")
    lines = [f"{'':16}" + "".join(f"{name:>18}" for name in shown)]
    for name in detecting.NAMES:
        if name in found:
            lines.append(f"{name:16}" + "".join(f"{found[name][each]:18}" for each in shown))
    lines += [f"{name}: {found[name]}" for name in ("leaked", "memory") if name in found]
    if "added_ms_p99" in found:
        lines.append(f"a streamed piece takes longer by {found['added_ms_p99']} ms (p99)")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    options = _parser().parse_args(arguments)
    found = measure(options)
    print(json.dumps(found) if options.json else _table(found))


if __name__ == "__main__":
    main()

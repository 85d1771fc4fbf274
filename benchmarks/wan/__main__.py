"""Measures Petals' own client and ours on the same swarm of three nodes, each behind a delaying proxy.

python -m benchmarks.wan --profile 50ms --work documents --model DIRECTORY --json
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.wan.figures import figures
from benchmarks.wan.links import PROFILES
from benchmarks.wan.programs import measured, swarm
from benchmarks.wan.work import conversations
from hoheit import environments
from hoheit.progress import Progress

_ROOT = Path(__file__).resolve().parents[2]
_WORK = ("documents", "free", "code")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--profile", choices=PROFILES, default="50ms", help="what the links are like"
    )
    parser.add_argument("--work", choices=(*_WORK, "all"), default="all", help="what is asked")
    parser.add_argument("--model", type=Path, required=True, help="directory of a Llama")
    parser.add_argument("--tokens", type=int, default=48, help="most tokens of an answer")
    parser.add_argument("--most", type=int, default=3, help="most conversations of each kind")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object as the last line"
    )
    return parser


async def _measure(options: argparse.Namespace, python: Path, progress: Progress) -> dict[str, Any]:
    links = PROFILES[options.profile]
    kinds = _WORK if options.work == "all" else (options.work,)
    found: dict[str, Any] = {}
    model = options.model.resolve()
    with progress.step(f"Three nodes, {options.profile}"):
        stack = swarm(python, model, links)
        peers, proxies = await stack.__aenter__()
    try:
        for kind in kinds:
            asked = conversations(kind, _ROOT)[: options.most]
            with progress.step(f"Petals' own client, {kind}"):
                stock = await measured(python, "stock", model, peers, asked, options.tokens)
            before = sum(each.carried for each in proxies)
            with progress.step(f"Our client, {kind}"):
                ours = await measured(python, "hoheit", model, peers, asked, options.tokens)
            carried = sum(each.carried for each in proxies) - before
            found[kind] = figures(stock, ours, links, carried)
    finally:
        await stack.__aexit__(None, None, None)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    options = _parser().parse_args(arguments)
    progress = Progress()
    python = environments.ensure("petals", _ROOT / ".environments", progress) / "bin" / "python"
    found = asyncio.run(_measure(options, python, progress))
    said = {"profile": options.profile, **(found if options.work == "all" else found[options.work])}
    print(json.dumps(said) if options.json else json.dumps(said, indent=2))


if __name__ == "__main__":
    main()

"""Measures Petals' own client and ours on the same swarm of three nodes, each behind a delaying proxy.

python -m benchmarks.wan --profile 50ms --work documents --json
"""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

from backend_adapter.petals.settings import Compression
from benchmarks.wan.clients import CLIENTS, Bench, measured
from benchmarks.wan.command import ROOT, add_common, count, run
from benchmarks.wan.figures import Run, figures
from benchmarks.wan.links import PROFILES
from benchmarks.wan.programs import our_node, swarm
from benchmarks.wan.work import conversations
from hoheit.progress import Progress

_WORK = ("documents", "free", "code")
_ALL = "all"
# A period of their announcements (`SwarmSettings.refresh_s`).
_IDLE_S = 5.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--profile",
        choices=(*PROFILES, _ALL),
        default="50ms",
        help="what the links are like; all gives a list (default 50ms)",
    )
    parser.add_argument("--work", choices=(*_WORK, _ALL), default=_ALL, help="what is asked")
    parser.add_argument(
        "--tokens", type=count, default=48, help="most tokens of an answer (default 48)"
    )
    parser.add_argument(
        "--most", type=count, default=3, help="most conversations of each kind (default 3)"
    )
    parser.add_argument(
        "--compression",
        choices=get_args(Compression),
        default="NONE",
        help="form of our client's hidden states (default NONE)",
    )
    add_common(parser)
    return parser


async def _measure(
    profile: str, options: argparse.Namespace, python: Path, model: Path, progress: Progress
) -> dict[str, Any]:
    """The figures of one profile, measured on fresh nodes."""
    links = PROFILES[profile]
    found: dict[str, Any] = {"profile": profile, "compression": options.compression}
    async with AsyncExitStack() as stack:
        with progress.step(f"{profile}: three nodes"):
            nodes = await stack.enter_async_context(swarm(python, model, our_node(model), links))
        with progress.step(f"{profile}: what the nodes send of themselves"):
            before = sum(each.carried for each in nodes.proxies)
            await asyncio.sleep(_IDLE_S)
            idle = sum(each.carried for each in nodes.proxies) - before
            found["idle_bytes_per_s"] = round(idle / _IDLE_S)
        bench = Bench(
            python, model, nodes.peers, nodes.proxies, options.tokens, options.compression
        )

        async def one(client: str, kind: str, number: int) -> Run:
            title = f"{profile}: {kind}, round {number} of {options.rounds}, {CLIENTS[client]}"
            asked = conversations(kind, ROOT)[: options.most]
            with progress.step(title) as step:
                return await measured(bench, client, asked, step.update)

        for kind in _WORK if options.work == _ALL else (options.work,):
            rounds = [
                (await one("stock", kind, number), await one("hoheit", kind, number))
                for number in range(1, options.rounds + 1)
            ]
            amounts = figures(rounds, links)
            found |= {kind: amounts} if options.work == _ALL else amounts
    return found


def _all_profiles(
    options: argparse.Namespace, python: Path, model: Path, progress: Progress
) -> dict[str, Any] | list[dict[str, Any]]:
    """The figures of the profile that is asked for, or a list of those of all."""
    found = [
        asyncio.run(_measure(each, options, python, model, progress))
        for each in (PROFILES if options.profile == _ALL else (options.profile,))
    ]
    return found if options.profile == _ALL else found[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    run(_parser().parse_args(arguments), _all_profiles)


if __name__ == "__main__":
    main()

"""Measures how many tokens a second a swarm of three nodes gives to many users at once.

Three nodes of ours are asked by our client; three stock Petals nodes by Petals' own client and by ours. Every user
has a prompt of its own, and all are asked at the same time, greedily and without drafts.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.users.client import Asking, BrokeOffError, Client, asking
from benchmarks.users.cpu import processes, used
from benchmarks.users.figures import Round, figures
from benchmarks.users.nodes import Kind, node
from benchmarks.users.prompts import TOKENS, text
from benchmarks.wan.command import ROOT, add_common, count, run
from benchmarks.wan.links import PROFILES
from benchmarks.wan.programs import swarm
from hoheit.progress import Progress

_NONE = "none"
_EXAMPLES = """examples:
  python -m benchmarks.users --json
  python -m benchmarks.users --kind ours --users 1,8 --rounds 3
  python -m benchmarks.users --profile 50ms --users 1,4,16 --tokens 24
"""
# Which client asks which nodes, by the name of their figures.
_SIDES: dict[str, tuple[Kind, Client]] = {
    "ours": ("ours", "ours"),
    "stock": ("stock", "stock"),
    "ours_on_stock": ("stock", "ours"),
}


def _counts(given: str) -> list[int]:
    return sorted({count(each) for each in given.split(",")})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.users",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--kind",
        choices=("ours", "stock", "both"),
        default="both",
        help="whose nodes are measured (default both)",
    )
    parser.add_argument(
        "--users",
        type=_counts,
        default=[1, 2, 4, 8, 16],
        help="how many users ask at once, as a list (default 1,2,4,8,16)",
    )
    parser.add_argument(
        "--tokens", type=count, default=48, help="tokens of every answer (default 48)"
    )
    parser.add_argument(
        "--profile",
        choices=(_NONE, *PROFILES),
        default=_NONE,
        help="links that the nodes are behind, of benchmarks.wan (default none)",
    )
    add_common(parser)
    return parser


def _measured(
    options: argparse.Namespace, python: Path, model: Path, progress: Progress
) -> dict[str, Any]:
    return asyncio.run(_measure(options, python, model, progress))


async def _measure(
    options: argparse.Namespace, python: Path, model: Path, progress: Progress
) -> dict[str, Any]:
    links = None if options.profile == _NONE else PROFILES[options.profile]
    asked = {"text": text(ROOT), "users": max(options.users), "tokens": options.tokens}
    with progress.step("The answers as they have to be"):
        async with asking("alone", python, model, [], **asked) as whole:
            alone = (await whole.ask(asked["users"])).ids
    async with AsyncExitStack() as stack:
        running, clients = {}, dict[str, Asking]()
        for kind in ("ours", "stock") if options.kind == "both" else (options.kind,):
            with progress.step(f"Three nodes ({kind})"):
                running[kind] = await stack.enter_async_context(
                    swarm(python, model, node(kind, model), links)
                )
        for side, (kind, whose) in _SIDES.items():
            if kind in running:
                with progress.step(f"A client ({side}) joins"):
                    clients[side] = await stack.enter_async_context(
                        asking(whose, python, model, running[kind].peers, **asked)
                    )
        rounds: dict[str, dict[int, list[Round]]] = {
            side: {users: [] for users in options.users} for side in clients
        }
        broken: list[str] = []
        for number, users in product(range(1, options.rounds + 1), options.users):
            for side in [each for each in clients if each not in broken]:
                kind, whose = _SIDES[side]
                client = clients[side]
                programs = {"nodes": running[kind].processes, "client": [client.process.pid]}
                if links is not None:
                    programs["proxies"] = [os.getpid()]
                try:
                    with progress.step(
                        f"Round {number} of {options.rounds}, {users} users, {side}"
                    ):
                        before = used(programs, processes())
                        answers = await client.ask(users)
                        after = used(programs, processes())
                except BrokeOffError as error:
                    if whose != "stock":
                        raise
                    print(f"{error} It is left out from here on.", file=sys.stderr)
                    broken.append(side)
                    continue
                cpu = {group: after[group] - before[group] for group in before}
                rounds[side][users].append(Round(answers.seconds, answers.ids, cpu))
    return {
        "profile": options.profile,
        "prompt_tokens": TOKENS,
        "tokens": options.tokens,
        "rounds": options.rounds,
        "broken": broken,
        **figures(rounds, alone),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    run(_parser().parse_args(arguments), _measured)


if __name__ == "__main__":
    main()

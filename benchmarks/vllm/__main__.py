"""Measures real vLLM servers of this machine, straight and through what stands before them.

One server is asked straight and through the adapter, in turn; then two servers, each on a core of its own, through
the adapter and through vLLM's own router (`vllm-router` from PyPI); then one of the two is killed in mid-answer.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from backend_adapter.vllm.settings import VllmSettings
from benchmarks.vllm.fronts import adapter, router
from benchmarks.vllm.measuring import broken_by_a_death, rates
from benchmarks.vllm.servers import Replica, running
from hoheit.errors import HoheitError
from hoheit.home import Home
from hoheit.progress import Progress
from hoheit.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_HOME = Home(_ROOT / "build" / "benchmarks")
_EXAMPLES = """examples:
  python -m benchmarks.vllm --json
  python -m benchmarks.vllm --users 1,16 --rounds 1 --only adapter      # minutes less, while developing
  python -m benchmarks.vllm --only deaths
"""
_PARTS = ("adapter", "replicas", "deaths")


def _counts(given: str) -> list[int]:
    try:
        found = sorted({int(each) for each in given.split(",")})
    except ValueError:
        found = []
    if not found or not all(1 <= each <= 256 for each in found):
        raise argparse.ArgumentTypeError(f"{given!r} is not a list of numbers from 1 to 256")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vllm",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--users", type=_counts, default=[1, 4, 16, 64], help="users at once (default 1,4,16,64)"
    )
    parser.add_argument(
        "--tokens", type=int, default=64, help="most tokens of an answer (default 64)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often all are asked in turn (default 3)"
    )
    parser.add_argument("--only", choices=_PARTS, help="only this part of it")
    parser.add_argument("--json", action="store_true", help="print JSON as the last line")
    return parser


def _measure(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    kept = os.environ.get("HOHEIT_ENVIRONMENTS_DIR")
    settings = Settings(
        environments_dir=Path(kept) if kept else _ROOT / ".environments",
        # A core for each; the load, the adapter and the servers' own front ends share both.
        vllm=VllmSettings(device="cpu", replicas=2, parallel=64, context_tokens=2048),
    )
    _HOME.path.mkdir(parents=True, exist_ok=True)
    one, two = (Replica(number, settings, _HOME, progress) for number in range(2))
    found: dict[str, Any] = {"model": settings.vllm.model_id, "tokens": options.tokens}
    wanted = {options.only} if options.only else {*_PARTS}
    with tempfile.TemporaryDirectory(prefix="hoheit-vllm-") as folder:
        at = Path(folder)
        if "adapter" in wanted:
            with running([one], progress), adapter(at / "one", [one]) as through:
                found["one_server"] = {
                    users: rates(
                        [one.endpoint, through], users, options.tokens, options.rounds, progress
                    )
                    for users in options.users
                }
        if wanted & {"replicas", "deaths"}:
            with (
                running([one, two], progress),
                adapter(at / "two", [one, two]) as ours,
                router(at / "router", [one, two], progress) as peer,
            ):
                if "replicas" in wanted:
                    found["two_servers"] = {
                        users: rates([ours, peer], users, options.tokens, options.rounds, progress)
                        for users in options.users
                    }
                if "deaths" in wanted:
                    found["deaths"] = {
                        kill: {
                            front.name: broken_by_a_death(
                                front, two, kill, options.tokens, progress
                            )
                            for front in (ours, peer)
                        }
                        for kill in ("host", "engine")
                    }
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        found = _measure(options, Progress())
    except HoheitError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()

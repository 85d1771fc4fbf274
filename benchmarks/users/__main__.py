"""Measures how many tokens a second a swarm of three nodes gives to many users at once.

python -m benchmarks.users --users 1,8 --json
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.users.cpu import processes, used
from benchmarks.users.nodes import nodes
from benchmarks.wan.programs import MODEL_ID, started
from benchmarks.wan.work import conversations
from hoheit.errors import HoheitError
from hoheit.home import Home
from hoheit.petals import launch
from hoheit.progress import Progress
from hoheit.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_HOME = Home(_ROOT / "build" / "benchmarks")
_PROMPT_TOKENS = 32


def _numbers(text: str) -> list[int]:
    found = text.split(",")
    if not all(each.isdecimal() and int(each) for each in found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers from 1 on")
    return [int(each) for each in found]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.users",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--users", type=_numbers, default=[1, 2, 4, 8, 16])
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", action="store_true", help="print JSON as the last line")
    return parser


def _texts(number: int) -> list[str]:
    """So many different prompts."""
    asked = [
        text
        for work in ("documents", "free", "code")
        for each in conversations(work, _ROOT)
        for text in each
    ]
    asked = asked + [f"{number}. {text}" for number in range(number) for text in asked]
    return [f"{text}{text}" for text in asked[:number]]


async def _measure(
    options: argparse.Namespace, python: Path, model: Path, progress: Progress
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        with progress.step("three nodes"):
            running = await stack.enter_async_context(nodes(python, model))
        given = {
            "model": str(model),
            "model_id": MODEL_ID,
            "peers": running.peers,
            "prompts": _texts(max(options.users)),
            "prompt_tokens": _PROMPT_TOKENS,
            "tokens": options.tokens,
        }
        client = await stack.enter_async_context(
            started(python, ["-m", "benchmarks.users.asking"], given)
        )
        assert client.stdin is not None and client.stdout is not None  # noqa: S101 - pipes
        with progress.step("the client joins"):
            if await client.stdout.readline() != b"joined\n":
                raise SystemExit("The client ended; see above why.")
        programs = {"nodes": running.processes, "client": [client.pid]}
        for number in options.users:
            with progress.step(f"{number} users"):
                before = used(programs, processes())
                client.stdin.write(b"%d\n" % number)
                await client.stdin.drain()
                said = json.loads(await client.stdout.readline())
                after = used(programs, processes())
            tokens = sum(map(len, said["ids"]))
            found[str(number)] = {
                "tokens_per_s": round(tokens / said["seconds"], 2),
                "cpu_ms_per_token": {
                    name: round((after[name] - before[name]) / tokens * 1000, 2) for name in after
                },
            }
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    options = _parser().parse_args(arguments)
    progress = Progress()
    kept = os.environ.get("HOHEIT_ENVIRONMENTS_DIR")
    settings = Settings(environments_dir=Path(kept) if kept else _ROOT / ".environments")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        python = launch.python(_HOME, settings, progress)
        model = launch.model(options.model, _HOME, settings, progress)
        found = asyncio.run(_measure(options, python, model, progress))
    except HoheitError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()

"""What the command lines of the swarm's benchmarks have in common."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hoheit.errors import HoheitError
from hoheit.home import Home
from hoheit.petals import launch
from hoheit.progress import Progress
from hoheit.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
# The default model is converted into it at first use.
_HOME = Home(ROOT / "build" / "benchmarks")


def count(text: str) -> int:
    """A number from 1 on. Raises ArgumentTypeError."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that both have: how often, on which model, and in which form it is told."""
    parser.add_argument(
        "--rounds",
        type=count,
        default=1,
        help="how often all is measured in turn (default 1); figures are medians",
    )
    parser.add_argument(
        "--model", type=Path, help="directory of a Llama (default SmolLM2, converted once)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON as the last line")


def run(
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace, Path, Path, Progress], Any],
) -> None:
    """Have the swarm's interpreter measure the model in its directory, and print what was found."""
    progress = Progress()
    kept = os.environ.get("HOHEIT_ENVIRONMENTS_DIR")
    settings = Settings(environments_dir=Path(kept) if kept else ROOT / ".environments")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        python = launch.python(_HOME, settings, progress)
        model = launch.model(options.model, _HOME, settings, progress)
        found = measure(options, python, model, progress)
    except HoheitError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(found, indent=None if options.json else 2))

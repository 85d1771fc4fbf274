"""What the programs that benchmarks start in the swarm's environment have in common."""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import torch

from backend_adapter.petals import compat
from backend_adapter.serving import freeze_loaded


def carried_out(work: Callable[[], None]) -> NoReturn:
    """Do `work` on one thread, and end this process with 1 where it fails, having told why."""
    compat.end_with_parent()
    torch.set_num_threads(1)
    code = 0
    try:
        work()
    except Exception:  # noqa: BLE001 - whatever it was, it is told, and the process has to end
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of hivemind would hold up the end; its processes end with this one.
    os._exit(code)


def encoder(model: str) -> Callable[[str], list[int]]:
    """Text to ids of the model in this directory, without special tokens of its own making."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(model) / "tokenizer.json"))
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def joined() -> None:
    """Tell that the client is in the swarm. What it loaded is left to no collection in the middle of an answer."""
    freeze_loaded()
    say("joined")


def say(line: str) -> None:
    """A line for whoever started this."""
    print(line, flush=True)

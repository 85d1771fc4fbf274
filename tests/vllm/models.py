"""Where the models of these tests lie, which are made at the first use."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import backend_adapter
from backend_adapter.embedded.weights import default_weights
from hoheit import environments
from hoheit.progress import Progress

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = Path(__file__).resolve().parent / "inside"
CACHE = REPOSITORY / "build" / "tests" / "vllm"
_PACKAGE = Path(backend_adapter.__file__).parent
_MAKER = INSIDE / "make_models.py"


@cache
def environment(name: str) -> Path:
    """The folder of an isolated environment, which is built where it is missing."""
    root = Path(os.environ.get("HOHEIT_ENVIRONMENTS_DIR") or REPOSITORY / ".environments")
    return environments.ensure(name, root, Progress(sys.stderr))


@cache
def smollm2() -> Path:
    """SmolLM2, with the very numbers that the embedded llama.cpp computes with."""
    asked = {"gguf": str(default_weights()), "cache": str(CACHE)}
    said = subprocess.run(
        [environment("vllm") / "bin" / "python", _PACKAGE / "petals" / "__main__.py", "weights"],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return Path(said.splitlines()[-1])


@cache
def made(name: str) -> Path:
    """One of the small models in the form of a large one: gpt-oss, deepseek-v3 or qwen3-moe."""
    source = smollm2()
    folder = CACHE / f"made-{hashlib.sha256(_MAKER.read_bytes()).hexdigest()[:12]}"
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            begun = CACHE / f".{folder.name}"
            shutil.rmtree(begun, ignore_errors=True)
            subprocess.run(
                [environment("vllm") / "bin" / "python", _MAKER, source, begun],
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                check=True,
            )
            begun.rename(folder)
    return folder / name

"""Runs the peers, each in its environment, over the same texts."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.egress.scoring import Place, merged
from hoheit import environments
from hoheit.errors import HoheitError
from hoheit.progress import Progress

CHECKOUT = Path(__file__).resolve().parents[3]
# By name: the environment, the module that runs there, and which variant of it.
PEERS = {
    "presidio": ("presidio", "presidio", "default"),
    "presidio_german": ("presidio", "presidio", "german"),
    "llm_guard": ("llm-guard", "llm_guard", "default"),
}


@dataclass(frozen=True)
class Run:
    """What a peer found in each text, and how many seconds of processor time that took."""

    found: list[list[Place]]
    seconds: float


def python(environment: str) -> Path:
    """The interpreter of a peer's environment, which is built at first use. Raises SystemExit."""
    root = Path(os.environ.get("HOHEIT_ENVIRONMENTS_DIR", CHECKOUT / ".environments"))
    try:
        return environments.ensure(environment, root, Progress()) / "bin" / "python"
    except HoheitError as error:
        raise SystemExit(f"{environment} cannot be installed: {error}") from error


def run(peer: str, texts: Sequence[tuple[str, str]], values: Sequence[str] = ()) -> Run:
    """What a peer finds in texts (each with its language); `values` are what it is told beforehand.

    Places that overlap count as one, since whoever replaces them would have it so. Raises SystemExit.
    """
    environment, module, variant = PEERS[peer]
    done = subprocess.run(
        [str(python(environment)), "-m", f"benchmarks.egress.peers.{module}"],
        input=json.dumps({"variant": variant, "texts": list(texts), "values": list(values)}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=CHECKOUT,
        env=variables(),
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{peer} failed:\n{done.stderr[-3000:]}")
    said = json.loads(done.stdout.splitlines()[-1])  # their logs come before it
    found = [merged(Place(*each) for each in places) for places in said["found"]]
    return Run(found, said["seconds"])


def variables() -> dict[str, str]:
    """The environment variables of a peer: no model is to be asked for, and one thread as ours has."""
    quiet = {"HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **quiet}

"""The released Petals beside our own nodes: its server as a node of a test's swarm, and what its client answers."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from session_nodes import ROOT, Node, Nodes, free_port

from benchmarks.users.stock_node import server_arguments

_ANSWER_S = 120.0
# Stock nodes and clients show no key.
OPEN = {"open": True, "key_file": None}


def begin_stock(nodes: Nodes, layers: str) -> Node:
    """A server of the released Petals with these layers, which joins the others; not awaited."""
    folder = nodes.key.parent
    peers = [each.address for each in nodes.all[:2] if each.address]
    arguments = server_arguments(
        nodes.model,
        "tiny",
        layers,
        free_port(),
        peers,
        attn_cache_tokens=8192,
        num_handlers=1,
        update_period=2,
        public_name=f"stock {layers}",
    )
    process = _program(
        "benchmarks.users.stock_node",
        {"arguments": arguments},
        folder / f"stock-{len(nodes.all)}.log",
    )
    node = Node(process, layers, folder / "nobody.orders", lambda: begin_stock(nodes, layers))
    nodes.all.append(node)
    return node


def stock_answers(
    model: Path, peers: Sequence[str], prompts: Sequence[Sequence[int]], tokens: int, log: Path
) -> list[list[int]]:
    """What the released Petals' client says greedily to these prompts, all within one session."""
    asked = {
        "model": str(model),
        "model_id": "tiny",
        "peers": list(peers),
        "prompts": [list(each) for each in prompts],
        "tokens": tokens,
    }
    process = _program("stock_client", asked, log)
    assert process.stdout is not None
    with process.stdout:
        try:
            process.wait(_ANSWER_S)
        finally:
            process.kill()
        answers: list[list[int]] = json.loads(process.stdout.read() or "[]")
    assert process.returncode == 0, log.read_text()[-3000:]
    return answers


def _program(module: str, asked: dict[str, object], log: Path) -> subprocess.Popen[str]:
    """A program in a session of its own, which is given a line of JSON."""
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
                "TRANSFORMERS_OFFLINE": "1",
                "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
            },
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.close()
    return process

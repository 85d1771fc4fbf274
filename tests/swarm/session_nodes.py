"""Nodes for the tests of conversations: a tiny model, real processes, and what can happen to them."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from backend_adapter.petals.node.layers import Cache, Layer, Layers, Rotary, Segment
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.petals.shape import read_shape

ROOT = Path(__file__).resolve().parents[2]
LAYERS, WIDTH, HEADS, KV_HEADS, INNER, VOCABULARY = 6, 64, 4, 2, 128, 97
_START_S = 90.0


def make_model(directory: Path, seed: int = 7) -> Path:
    """A random Llama of six small layers, in Hugging Face's form."""
    directory.mkdir(parents=True)
    random = torch.Generator().manual_seed(seed)

    def some(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=random) * size[-1] ** -0.5

    head = WIDTH // HEADS
    weights = {"model.embed_tokens.weight": torch.randn(VOCABULARY, WIDTH, generator=random)}
    for layer in range(LAYERS):
        here = f"model.layers.{layer}."
        weights |= {
            f"{here}input_layernorm.weight": torch.ones(WIDTH),
            f"{here}post_attention_layernorm.weight": torch.ones(WIDTH),
            f"{here}self_attn.q_proj.weight": some(HEADS * head, WIDTH),
            f"{here}self_attn.k_proj.weight": some(KV_HEADS * head, WIDTH),
            f"{here}self_attn.v_proj.weight": some(KV_HEADS * head, WIDTH),
            f"{here}self_attn.o_proj.weight": some(WIDTH, HEADS * head),
            f"{here}mlp.gate_proj.weight": some(INNER, WIDTH),
            f"{here}mlp.up_proj.weight": some(INNER, WIDTH),
            f"{here}mlp.down_proj.weight": some(WIDTH, INNER),
        }
    weights["model.norm.weight"] = torch.ones(WIDTH)
    save_file(weights, str(directory / "model.safetensors"))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": True,
    }
    (directory / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (directory / name).write_text("{}")
    return directory


class Local:
    """All layers in this process: what an undisturbed conversation gives."""

    def __init__(self, model: Path) -> None:
        shape = read_shape(model)
        layers = [Layer(model, each, shape, torch.float32, "cpu") for each in range(LAYERS)]
        self._layers = Layers(shape, 0, layers, Rotary(shape, torch.float32, "cpu"))
        self._shape = shape

    def outputs(self, ids: Sequence[int]) -> torch.Tensor:
        """Of a whole conversation [tokens, width]."""
        hidden = embed(ids)
        cache = Cache(self._shape, LAYERS, len(hidden), torch.float32, "cpu")
        return self._layers.run(hidden, [Segment(cache, 0, len(hidden))], 0, LAYERS)


@dataclass
class Node:
    """A node's process; `orders` is the file that says how it misbehaves, `restart` begins another like it."""

    process: subprocess.Popen[str]
    layers: str
    orders: Path
    restart: "Callable[[], Node]"
    address: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def peer(self) -> str:
        return self.address.rpartition("/")[2]

    def obey(self, *orders: str) -> None:
        """Have it misbehave from now on."""
        self.orders.write_text(" ".join(orders))

    def group(self, number: signal.Signals) -> None:
        """Send a signal to the node and all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        """Nothing of it stays."""
        self.group(signal.SIGCONT)
        self.group(signal.SIGKILL)
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Nodes:
    """Starts nodes of one swarm; use as a context manager."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.model = model
        self.key = folder / "key"
        self.key.write_text(base64.b64encode(bytes(range(32))).decode())
        self._folder = folder
        self._numbers = itertools.count()
        self.all: list[Node] = []

    def begin(self, layers: str, **more: object) -> Node:
        """A node of these layers, not awaited."""
        settings: dict[str, object] = {
            "model": str(self.model),
            "model_id": "tiny",
            "port": 0,
            "layers": layers,
            "name": layers,
            "key_file": str(self.key),
            "refresh_s": 1,
            "threads": 1,
            "cache_tokens": 8192,
            "initial_peers": [each.address for each in self.all[:2] if each.address],
            **more,
        }
        name = f"{layers.replace(':', '-')}-{next(self._numbers)}"
        orders = self._folder / f"{name}.orders"
        with (self._folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("session_node.py")), str(orders)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
        assert process.stdin is not None
        process.stdin.write(json.dumps(settings))
        process.stdin.close()
        node = Node(process, layers, orders, lambda: self.begin(layers, **more))
        self.all.append(node)
        return node

    def of(self, peer: str) -> Node:
        """The node with this peer id."""
        return next(each for each in self.all if each.peer == peer)

    def replace(self, node: Node) -> Node:
        """Another node like one that is gone."""
        node.end()
        self.all.remove(node)
        new = node.restart()
        self.ready(new)
        return new

    def ready(self, *nodes: Node) -> None:
        """Wait until these serve."""
        for node in nodes:
            _until_ready(node)

    def start(self, layers: str, **more: object) -> Node:
        """A node of these layers that serves."""
        node = self.begin(layers, **more)
        self.ready(node)
        return node

    def settings(self, **more: object) -> GatewaySettings:
        """Of a client of this swarm."""
        return GatewaySettings(
            **{
                "model": self.model,
                "model_id": "tiny",
                "initial_peers": tuple(each.address for each in self.all if each.address),
                "key_file": self.key,
                "refresh_s": 1,
                "step_timeout_s": 2,
                "recover_s": 20,
                **more,
            }
        )

    def __enter__(self) -> "Nodes":
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.all:
            node.end()


def _until_ready(node: Node) -> None:
    stdout = node.process.stdout
    assert stdout is not None
    watchdog = threading.Timer(_START_S, node.group, [signal.SIGKILL])
    watchdog.start()
    try:
        while (line := stdout.readline().strip()) != "ready":
            assert line, f"the node ended: {node.lines}"
            node.lines.append(line)
            if line.startswith("address "):
                node.address = line.removeprefix("address ")
    finally:
        watchdog.cancel()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Cut:
    """A TCP proxy before a node at the port `to`, whose connections can be cut; it runs in a thread of its own."""

    def __init__(self, to: int) -> None:
        self.port, self._to = free_port(), to
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._whole = True
        self._run(self._listen())

    def cut(self) -> None:
        """End all connections, and from now on each new one at once."""
        self._whole = False
        self._run(self._cut())

    def heal(self) -> None:
        """Let connections live."""
        self._whole = True

    def close(self) -> None:
        self._server.close()
        self.cut()
        self._run(asyncio.sleep(0.05))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        self._writers.add(to_writer)
        await asyncio.gather(_copy(reader, to_writer), _copy(to_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def prompt(tokens: int, seed: int = 1) -> list[int]:
    """Ids of a made-up text."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(VOCABULARY, (tokens,), generator=random).tolist()


_EMBEDDINGS = torch.randn(VOCABULARY, WIDTH, generator=torch.Generator().manual_seed(5))


def embed(ids: Sequence[int]) -> torch.Tensor:
    """Hidden states [tokens, width] of ids."""
    return _EMBEDDINGS[list(ids)]


def equal(outputs: torch.Tensor, wanted: torch.Tensor) -> None:
    """The same numbers, and the same most likely next tokens."""
    torch.testing.assert_close(outputs, wanted, atol=1e-4, rtol=0)
    assert (outputs @ _EMBEDDINGS.T).argmax(-1).tolist() == (wanted @ _EMBEDDINGS.T).argmax(
        -1
    ).tolist()

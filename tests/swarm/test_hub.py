"""A model that lies on a hub: each part fetches its own files, once, and says what is wrong.

The hub is a small server that answers as huggingface_hub asks.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from session_nodes import LAYERS, Local, Nodes, embed, equal, make_model, prompt

from backend_adapter.petals.swarm.swarm import Swarm

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "town/tiny"


@dataclass
class Hub:
    """Serves the files of one model; `asked` are those that were fetched.

    The file `cut` breaks off once, `held` comes only when `released`.
    """

    folder: Path
    address: str = ""
    asked: list[str] = field(default_factory=list)
    cut: str = ""
    gated: bool = False
    held: str = ""
    released: threading.Event = field(default_factory=threading.Event)


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            if self.path.startswith("/api/models/"):
                self._description()
                return
            file = hub.folder / self.path.rpartition("/")[2]
            size, begin = file.stat().st_size, 0
            if wanted := self.headers.get("Range"):
                begin = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if begin else 200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{file.name}"')
            self.send_header("Content-Length", str(size - begin))
            self.end_headers()
            if body:
                hub.asked.append(f"{file.name}@{begin}" if begin else file.name)
                if hub.held == file.name:
                    hub.released.wait(60)
                content = file.read_bytes()[begin:]
                if hub.cut == file.name:
                    hub.cut = ""
                    content = content[: len(content) // 2]
                self.wfile.write(content)

        def _description(self) -> None:
            status, code = 200, ""
            if not self.path.startswith(f"/api/models/{NAME}"):
                status, code = 404, "RepoNotFound"
            elif hub.gated:
                status, code = 403, "GatedRepo"
            files = [
                {"rfilename": each.name, "size": each.stat().st_size}
                for each in hub.folder.iterdir()
            ]
            said = json.dumps({"id": NAME, "sha": COMMIT, "siblings": files}).encode()
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

    return Answers


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A model of one file for the ends and one for each layer."""
    folder = make_model(tmp_path / "on-the-hub")
    [whole] = folder.glob("*.safetensors")
    tensors = load_file(whole)
    whole.unlink()
    places = {}
    for name in tensors:
        layer = name.split(".")[2] if ".layers." in name else "ends"
        places[name] = f"model-{layer}.safetensors"
    for file in set(places.values()):
        save_file({name: tensors[name] for name in tensors if places[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    serving = Hub(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(serving))
    serving.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield serving
    serving.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(
    hub: Hub, directory: Path, what: str, name: str = NAME
) -> subprocess.CompletedProcess[str]:
    """Fetch as a part does, in a process of its own: the library reads where the hub is when it is loaded."""
    program = (
        "from pathlib import Path\n"
        "from backend_adapter.petals import hub\n"
        "from backend_adapter.petals.errors import SwarmError\n"
        f"name, directory = {name!r}, Path({str(directory)!r})\n"
        "try:\n"
        "    hub.fetch_description(name, directory, print)\n"
        f"    {what}\n"
        "except SwarmError as error:\n"
        "    raise SystemExit(f'error: {error}')\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


LAYERS_1_AND_2 = "hub.fetch_layers(name, directory, 1, 3, print)"
ENDS = "hub.fetch_ends(name, directory, print)"


def shards(asked: list[str]) -> set[str]:
    return {each for each in asked if each.endswith(".safetensors")}


def test_a_node_fetches_its_layers_and_a_gateway_the_ends(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path / "node", LAYERS_1_AND_2).returncode == 0
    assert shards(hub.asked) == {"model-1.safetensors", "model-2.safetensors"}
    hub.asked.clear()
    assert fetch(hub, tmp_path / "gateway", ENDS).returncode == 0
    assert shards(hub.asked) == {"model-ends.safetensors"}


def test_a_later_start_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path / "node", LAYERS_1_AND_2).returncode == 0
    away = Hub(hub.folder, "http://127.0.0.1:9")
    again = fetch(away, tmp_path / "node", LAYERS_1_AND_2)
    assert (again.returncode, again.stdout) == (0, "")


def test_what_broke_off_goes_on_where_it_was(hub: Hub, tmp_path: Path) -> None:
    whole = hub.folder / "model-1.safetensors"
    # The library keeps what comes in pieces of 10 MB.
    save_file({**load_file(whole), "model.layers.1.more": torch.ones(6, 2**20)}, whole)
    hub.cut = whole.name
    broken = fetch(hub, tmp_path / "node", LAYERS_1_AND_2)
    assert "cannot be fetched" in broken.stderr
    assert "Traceback" not in broken.stderr
    assert fetch(hub, tmp_path / "node", LAYERS_1_AND_2).returncode == 0
    assert any(each.startswith(f"{whole.name}@") for each in hub.asked)
    assert (tmp_path / "node" / "model-1.safetensors").read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("name", "gated", "said"),
    [
        ("town/other", False, "has no model town/other"),
        (NAME, True, "only to those who have agreed to its terms"),
    ],
)
def test_what_the_hub_refuses_is_told_with_a_remedy(
    hub: Hub, tmp_path: Path, name: str, gated: bool, said: str
) -> None:
    hub.gated = gated
    refused = fetch(hub, tmp_path / "node", ENDS, name)
    assert said in refused.stderr
    assert "HF_TOKEN" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_hub_that_is_away_is_told(tmp_path: Path) -> None:
    refused = fetch(Hub(tmp_path, "http://127.0.0.1:9"), tmp_path / "node", ENDS)
    assert "Check the network" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_nodes_serve_what_they_fetched(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    whole = make_model(tmp_path / "whole")
    ids, local = prompt(30), Local(whole)
    with Nodes(whole, tmp_path) as nodes:
        half = f"0:{LAYERS // 2}", f"{LAYERS // 2}:{LAYERS}"
        for place, layers in enumerate(half):
            folder = tmp_path / f"fetched-{place}"
            node = nodes.start(layers, hub=NAME, model=str(folder))
            assert any(line.startswith("fetching model-") for line in node.lines)
            assert len(list(folder.glob("*.safetensors"))) == LAYERS // 2
        async with Swarm(nodes.settings()) as swarm:
            await swarm.ready(20)
            session = swarm.session(embed, 64)
            equal(await session.forward(ids, 0), local.outputs(ids))
            await session.close()


async def test_a_node_that_fetches_can_be_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.held = "model-1.safetensors"
    main = Path(__file__).resolve().parents[2] / "backend_adapter" / "petals" / "__main__.py"
    settings = {
        "model": str(tmp_path / "fetched"),
        "hub": NAME,
        "model_id": "tiny",
        "layers": f"0:{LAYERS}",
        "open": True,
        "port": 0,
    }
    node = await asyncio.create_subprocess_exec(
        sys.executable,
        str(main),
        "node",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_HUB_OFFLINE": "0",
        },
    )
    assert node.stdin is not None and node.stdout is not None
    node.stdin.write(json.dumps(settings).encode())
    node.stdin.close()
    async with asyncio.timeout(60):
        while not (await node.stdout.readline()).startswith(b"fetching model-1.safetensors"):
            pass
        node.send_signal(signal.SIGTERM)
        assert await node.wait() == 0

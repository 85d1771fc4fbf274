"""`hoheit up --engine petals`: the real swarm behind the real adapter."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House, free_port, free_ports, wait_until

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("embedded")]

POEM = {
    "model": "smollm2-135m",
    "temperature": 0,
    "max_tokens": 120,
    "messages": [{"role": "user", "content": "Write a long story about the sea and a captain."}],
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    nodes = free_ports(8)
    house = House(
        tmp_path_factory.mktemp("swarm") / "home",
        {
            "HOHEIT_OPEN_WEBUI__ENABLED": "false",
            "HOHEIT_PETALS__NODE__PORT": str(nodes),
            "HOHEIT_PETALS__NODE__HEALTH_PORT": str(nodes + 4),
            "HOHEIT_PETALS__GATEWAY__PORT": str(free_port()),
        },
    )
    house.start("--engine", "petals")
    try:
        wait_until(lambda: "Ctrl-C stops everything" in house.output(), "the swarm is up", 240)
        yield house
    finally:
        house.stop()


def ask(house: House, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{house.address('adapter')}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {house.secret('adapter-key')}"},
    )
    return urllib.request.urlopen(request, timeout=120)


def pids(house: House) -> dict[str, int]:
    state = json.loads((house.home / "run" / "state.json").read_text())
    return {part["name"]: part["process"]["pid"] for part in state["parts"] if part["process"]}


def path(house: House) -> list[str]:
    """The nodes that serve, by name."""
    port = house.variables["HOHEIT_PETALS__GATEWAY__PORT"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/swarm",
        headers={"Authorization": f"Bearer {house.secret('petals-key')}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        spans = json.load(response)["spans"]
    return [span["name"] for span in spans if span["state"] == "online"]


def test_an_answer_is_the_same_while_nodes_are_killed(house: House) -> None:
    with ask(house, POEM) as response:
        undisturbed = json.load(response)["choices"][0]["message"]["content"]
    assert len(undisturbed.split()) > 40
    assert sorted(path(house)) == ["node-1", "node-2", "node-3", "node-4"]

    said, killed = "", False
    with ask(house, {**POEM, "stream": True}) as response:
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[len(b"data: ") :])
            assert "error" not in chunk, chunk
            said += "".join(each["delta"].get("content") or "" for each in chunk["choices"])
            if len(said.split()) > 8 and not killed:
                # Either way through the swarm loses a node: the one to spare is left.
                killed = True
                os.killpg(pids(house)["node-2"], signal.SIGKILL)
    assert killed
    assert said == undisturbed
    wait_until(lambda: "node-2 died" in house.output(), "the loss is told")


def test_the_one_to_spare_is_enough(house: House) -> None:
    with ask(house, POEM) as response:
        assert json.load(response)["choices"][0]["message"]["content"]


def test_the_adapter_tells_which_nodes_are_left(house: House) -> None:
    request = urllib.request.Request(
        f"{house.address('adapter')}/v1/topology",
        headers={"Authorization": f"Bearer {house.secret('admin-key')}"},
    )

    def complete() -> Any:
        with urllib.request.urlopen(request, timeout=30) as response:
            upstreams = json.load(response)["upstreams"]
        told = [each["swarm"] for each in upstreams if each["swarm"]]
        return told[0] if told and told[0]["layers_missing"] == 0 else None

    swarm = wait_until(complete, "the adapter has heard of all layers")
    assert len(swarm["coverage"]) == swarm["layers"] == 30
    assert "node-4" in {node["name"] for node in swarm["spans"] if node["state"] == "online"}


def test_secrets_are_not_on_a_command_line(house: House) -> None:
    secrets = [house.secret(name) for name in ("swarm-key", "petals-key")]
    for pid in pids(house).values():
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        surroundings = Path(f"/proc/{pid}/environ").read_bytes().decode()
        assert not any(secret in line or secret in surroundings for secret in secrets)

"""The swarm's services in docker-compose.yml: a node and a gateway that find each other, model and key."""

import json
from pathlib import Path
from typing import Any

import pytest
from compose_file import SERVICES, SWARM, arguments, read_compose, settings_of
from pydantic import BaseModel

from backend_adapter.petals.settings import GatewaySettings, NodeSettings

NODE, GATEWAY = SERVICES["petals-node"], SERVICES["petals-gateway"]
# What .env may say of a part: a value for each setting that the file hands on.
HANDED_ON: dict[str, dict[str, Any]] = {
    "petals-node": {
        "initial_peers": ["/ip4/192.0.2.8/tcp/8090/p2p/12D3Koo"],
        "allowed_peers": ["12D3Koo"],
        "name": "north",
        "layers": "10:20",
        "num_layers": 12,
        "device": "cuda",
        "dtype": "bfloat16",
        "cache_tokens": 32768,
        "threads": 3,
    },
    "petals-gateway": {
        "initial_peers": ["/ip4/192.0.2.8/tcp/8090/p2p/12D3Koo"],
        "allowed_peers": ["12D3Koo"],
        "context_tokens": 4096,
        "parallel": 4,
        "compression": "FLOAT16",
        "draft_model": Path("/models/smaller"),
    },
}


def part(name: str) -> str:
    return name.removeprefix("petals-")


def variables(name: str) -> dict[str, str]:
    return {
        f"HOHEIT_PETALS__{part(name).upper()}__{key.upper()}": (
            json.dumps(value) if isinstance(value, list) else str(value)
        )
        for key, value in HANDED_ON[name].items()
    }


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Where each volume is mounted, by its name."""
    found = {}
    for mount in service["volumes"]:
        if isinstance(mount, dict):
            found[mount["source"]] = mount["target"]
        else:
            source, target, *_ = mount.split(":")
            found[source] = target
    return found


def settings(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    given: dict[str, str] | None = None,
) -> Any:
    return getattr(settings_of(name, monkeypatch, home, given).petals, part(name))


@pytest.mark.parametrize("name", SWARM)
def test_what_the_host_does_not_set_stays_at_its_default(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain: BaseModel = NodeSettings() if name == "petals-node" else GatewaySettings()

    chosen = settings(name, monkeypatch, tmp_path)

    for key in (*HANDED_ON[name], "model", "model_id", "open"):
        assert getattr(chosen, key) == getattr(plain, key), key


@pytest.mark.parametrize("name", SWARM)
def test_what_the_host_sets_reaches_the_settings(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = settings(name, monkeypatch, tmp_path, variables(name))

    for key, value in HANDED_ON[name].items():
        assert getattr(chosen, key) == (tuple(value) if isinstance(value, list) else value), key


def test_gateway_asks_where_the_node_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = settings("petals-node", monkeypatch, tmp_path)

    # By the name of the service, which stays when the container gets another address.
    assert node.announce == (f"/dns4/petals-node/tcp/{node.port}",)
    assert NODE["networks"] == GATEWAY["networks"] == ["wan"]
    peers_file = arguments(GATEWAY)[arguments(GATEWAY).index("--peers-file") + 1]
    assert peers_file == str(node.address_file)
    assert peers_file.startswith(f"{mounts(GATEWAY)['petals']}/")
    assert mounts(NODE)["petals"] == mounts(GATEWAY)["petals"]


def test_node_of_many_sites_announces_what_the_host_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    addresses = ["/dns4/petals-node/tcp/8090", "/ip4/192.0.2.7/tcp/8090"]
    given = {"HOHEIT_PETALS__NODE__ANNOUNCE": json.dumps(addresses)}

    assert settings("petals-node", monkeypatch, tmp_path, given).announce == tuple(addresses)


def test_node_listens_where_its_port_is_published(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = settings("petals-node", monkeypatch, tmp_path)

    assert node.host == "0.0.0.0"
    assert NODE["ports"] == [f"{node.port}:{node.port}"]
    assert node.health_port == SWARM["petals-node"]
    assert node.health_port != node.port


def test_gateway_listens_where_the_adapter_asks_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gateway = settings("petals-gateway", monkeypatch, tmp_path)
    given = {"HOHEIT_ENGINE": "petals"}

    adapter = settings_of("adapter", monkeypatch, tmp_path, given).adapter

    assert (gateway.host, gateway.port) == ("0.0.0.0", SWARM["petals-gateway"])
    assert "ports" not in GATEWAY
    (upstream,) = adapter.upstreams
    assert upstream.base_url == f"http://petals-gateway:{gateway.port}/v1"
    assert upstream.engine == "petals"
    assert upstream.api_key is not None
    assert upstream.api_key.get_secret_value() == "test-only-petals-key-long-enough"
    assert "petals-key" in SERVICES["adapter"]["secrets"]
    assert "wan" in SERVICES["adapter"]["networks"]


@pytest.mark.parametrize("name", SWARM)
def test_part_belongs_to_the_swarm_by_its_mounted_key(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Peers that are allowed besides must not make it forget the key.
    chosen = settings(name, monkeypatch, tmp_path, variables(name))

    assert "swarm-key" in SERVICES[name]["secrets"]
    assert chosen.key_file == Path("/run/secrets/swarm-key")
    assert not chosen.open


def test_peer_id_is_kept_and_only_the_node_has_its_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    node = settings("petals-node", monkeypatch, tmp_path)

    assert node.identity_file.is_relative_to(mounts(NODE)["petals-node"])
    assert "petals-node" not in mounts(GATEWAY)


@pytest.mark.parametrize("name", SWARM)
def test_default_model_is_converted_into_a_volume(name: str) -> None:
    service = SERVICES[name]

    assert "--model" not in arguments(service)
    # The model has 540 MB as float32; the memory of /tmp would not hold it.
    assert service["environment"]["HOHEIT_HOME"] == mounts(service)["petals"]
    assert "petals" in mounts(SERVICES["engine-volumes"])


@pytest.mark.parametrize("name", SWARM)
def test_another_model_is_read_from_the_hosts_folder(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {
        "PETALS_MODEL": "/models/llama-3.3-70b",
        "PETALS_MODELS": "/srv/models",
        "PETALS_MODEL_ID": "llama-3-3-70b",
    }
    service = read_compose(given)["services"][name]

    assert arguments(service)[-2:] == ["--model", "/models/llama-3.3-70b"]
    assert "/srv/models:/models:ro" in service["volumes"]
    assert settings(name, monkeypatch, tmp_path, given).model_id == "llama-3-3-70b"


def test_named_volumes_are_declared() -> None:
    declared = set(read_compose()["volumes"])

    for name in SWARM:
        assert set(mounts(SERVICES[name])) <= declared


def test_gateway_waits_for_a_node_only_where_one_is_started() -> None:
    assert GATEWAY["depends_on"]["petals-node"] == {
        "condition": "service_healthy",
        "required": False,
    }

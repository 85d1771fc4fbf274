"""docker-compose.yml: valid, closed where it must be, and in step with the settings of the parts."""

import json
import re
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pytest
from compose_file import (
    ENGINES,
    ONE_SHOT,
    OURS,
    PARTS,
    REPOSITORY,
    SERVICES,
    SWARM,
    read_compose,
    settings_of,
)
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from hoheit import secrets
from hoheit.open_webui.process import environment
from hoheit.open_webui.settings import OpenWebUISettings

# Open WebUI takes these only as variables, so its command reads them from the mounted files.
READ_FROM_SECRETS = {
    "WEBUI_SECRET_KEY",
    "WEBUI_ADMIN_PASSWORD",
    "OPENAI_API_KEYS",
    "RAG_OPENAI_API_KEY",
    "FORWARD_USER_INFO_HEADER_JWT_SECRET",
}
# Where a container keeps what it writes.
OF_THE_CONTAINER = {"HOME", "DATA_DIR", "STATIC_DIR", "PYTHONDONTWRITEBYTECODE"}


@pytest.fixture
def schema() -> dict[str, Any]:
    """The Compose Specification's own schema (Apache-2.0), as check-jsonschema carries it."""
    folder = package_files("check_jsonschema") / "builtin_schemas" / "vendor"
    loaded: dict[str, Any] = json.loads((folder / "compose-spec.json").read_text("utf-8"))
    return loaded


def test_file_follows_the_compose_specification(schema: dict[str, Any]) -> None:
    faults = Draft202012Validator(schema).iter_errors(read_compose())

    assert [f"{list(fault.path)}: {fault.message}" for fault in faults] == []


def test_every_part_of_the_house_is_a_service() -> None:
    assert set(SERVICES) == {*PARTS, *ONE_SHOT, *ENGINES, "open-webui", "door"}


def test_engines_and_their_volumes_start_only_when_asked_for() -> None:
    profiles = {name: service.get("profiles") for name, service in SERVICES.items()}

    assert profiles.pop("vllm") == ["vllm"]
    assert profiles.pop("vllm-host") == ["vllm-host"]
    assert profiles.pop("petals-node") == ["petals"]
    # A site without a node of its own starts the gateway alone.
    assert profiles.pop("petals-gateway") == ["petals", "petals-gateway"]
    assert profiles.pop("engine-volumes") == [
        "vllm",
        "vllm-host",
        "petals",
        "petals-gateway",
    ]
    assert set(profiles.values()) == {None}


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    user, group = service["user"].split(":")

    assert int(user) > 0
    assert int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    for opening in ("privileged", "cap_add", "devices", "pid", "ipc", "userns_mode", "group_add"):
        assert opening not in service
    # The hosts of one model find each other by their own addresses.
    alone = "host" if name == "vllm-host" else "none"
    assert service.get("network_mode", alone) == alone


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned_to_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].rsplit(":", 1)[1]

    assert re.search(r"\d+\.\d+\.\d+", tag)


@pytest.mark.parametrize("name", SERVICES)
def test_service_says_whether_it_is_well_or_ends_by_itself(name: str) -> None:
    health = SERVICES[name]["healthcheck"]

    if name in ONE_SHOT:
        assert health == {"disable": True}
        assert SERVICES[name]["restart"] == "no"
    elif name == "vllm-host":
        # Only the first of the hosts has an API to ask; vLLM ends on all of them together.
        assert health == {"disable": True}
        assert SERVICES[name]["restart"] == "unless-stopped"
    else:
        assert health["test"][0] == "CMD"
        assert {"interval", "timeout", "retries", "start_period"} <= health.keys()
        assert SERVICES[name]["restart"] == "unless-stopped"


def test_health_is_asked_where_the_service_listens() -> None:
    others = {"open-webui": 8080, "door": 8080, "vllm": 8100}
    for name, port in {**PARTS, **SWARM, **others}.items():
        # As `hoheit up` asks it: whether the swarm can answer (hoheit/petals/parts.py).
        path = "ready" if name == "petals-gateway" else "health"
        assert f"http://127.0.0.1:{port}/{path}" in " ".join(SERVICES[name]["healthcheck"]["test"])


def test_only_adapter_and_engines_reach_the_wide_area_network() -> None:
    networks = read_compose()["networks"]
    outward = {name for name, service in SERVICES.items() if "wan" in service.get("networks", [])}

    assert outward == {"adapter", *ENGINES} - {"vllm-host"}
    assert networks["site"] == {"internal": True}
    for name, service in SERVICES.items():
        if name not in {"adapter", "door", *ENGINES, "volumes", "engine-volumes"}:
            assert service["networks"] == ["site"], name
    # Engines know the adapter only: no file or database server, no chat.
    assert all(SERVICES[name]["networks"] == ["wan"] for name in ENGINES - {"vllm-host"})


def test_one_address_is_published_and_only_on_this_machine() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    # A swarm node is useless where its peers cannot come in; it holds nothing of the site.
    assert ports == {"door": ["127.0.0.1:8080:8080"], "petals-node": ["8090:8090"]}
    assert SERVICES["door"]["networks"] == ["site", "door"]
    assert "secrets" not in SERVICES["door"]
    assert "volumes" not in SERVICES["door"]


def test_documents_and_databases_are_mounted_read_only_and_exist() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            if isinstance(mount, str) and mount.startswith("."):
                source, _, mode = mount.split(":")
                assert mode == "ro", (name, mount)
                assert (REPOSITORY / source).exists(), mount


def test_confidential_and_secret_folders_are_not_in_any_container() -> None:
    mounts = [str(m) for service in SERVICES.values() for m in service.get("volumes", [])]

    assert [m for m in mounts if "vertraulich" in m or "geheim" in m] == []
    assert not any(re.search(r"site/?:|documents/?:", m) for m in mounts)


def test_secrets_are_the_ones_hoheit_knows_and_stand_in_no_variable() -> None:
    declared = read_compose()["secrets"]

    assert declared == {name: {"file": f"./secrets/{name}"} for name in secrets.NAMES}
    used = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert used == set(secrets.NAMES)
    for service in SERVICES.values():
        for key in service.get("environment", {}):
            assert not re.search(r"(KEY|KEYS|TOKEN|PASSWORD|SECRET)$", key), key


def test_each_service_gets_the_secrets_it_needs_and_no_other() -> None:
    given = {name: set(service.get("secrets", [])) for name, service in SERVICES.items()}

    assert given["adapter"] == {
        "adapter-key",
        "admin-key",
        "user-jwt-secret",
        "egress-key",
        "labels-key",
        "embedded-key",
        "petals-key",
        "vllm-key",
    }
    assert given["embedded"] == {"embedded-key"}
    assert given["files"] == {"files-token", "labels-key"}
    assert given["databases"] == {"databases-token", "labels-key"}
    assert given["open-webui"] == {
        "webui-secret-key",
        "admin-password",
        "adapter-key",
        "user-jwt-secret",
    }
    assert given["petals-node"] == {"swarm-key"}
    assert given["petals-gateway"] == {"swarm-key", "petals-key"}
    assert given["vllm"] == given["vllm-host"] == {"vllm-key"}
    assert not any(given[name] for name in ("door", "volumes", "engine-volumes"))


@pytest.mark.parametrize("name", OURS)
def test_variables_are_settings_with_valid_values(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(name, monkeypatch, tmp_path)

    if name in PARTS:
        part = getattr(settings, name)
        assert (part.host, part.port) == ("0.0.0.0", PARTS[name])


def test_only_vllm_takes_the_gpus() -> None:
    taken = {name: service["deploy"] for name, service in SERVICES.items() if "deploy" in service}

    devices = [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert set(taken) == {"vllm", "vllm-host"}
    for deployed in taken.values():
        assert deployed == {"resources": {"reservations": {"devices": devices}}}


def test_adapter_asks_the_vllm_server_with_its_key_where_that_is_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = {"HOHEIT_ENGINE": "vllm"}
    adapter = settings_of("adapter", monkeypatch, tmp_path, given).adapter

    (upstream,) = adapter.upstreams
    assert (upstream.base_url, upstream.engine) == ("http://vllm:8100/v1", "vllm")
    assert upstream.api_key is not None
    assert upstream.api_key.get_secret_value() == "test-only-vllm-key-long-enough"
    # Another model than the shipped one needs no crutches.
    assert adapter.models == ()


@pytest.mark.parametrize("name", ["vllm", "vllm-host"])
def test_vllm_reads_its_key_from_its_file(name: str) -> None:
    service = SERVICES[name]

    assert service["entrypoint"] == ["bash", "-c"]
    assert 'VLLM_API_KEY="$(cat /run/secrets/vllm-key)"' in service["command"][0]
    assert "exec vllm serve Qwen/Qwen3-8B" in service["command"][0]


def test_adapter_asks_the_embedded_engine_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    adapter = settings_of("adapter", monkeypatch, tmp_path).adapter

    assert [upstream.base_url for upstream in adapter.upstreams] == ["http://embedded:8082/v1"]
    key = adapter.upstreams[0].api_key
    assert key is not None
    assert key.get_secret_value() == "test-only-embedded-key-long-enough"


def test_further_upstreams_come_from_the_hosts_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = re.findall(
        r"HOHEIT_ADAPTER__UPSTREAMS=(\[.+\])",
        (REPOSITORY / "docker-compose.yml").read_text("utf-8"),
    )
    asked = [
        settings_of("adapter", monkeypatch, tmp_path, {"HOHEIT_ADAPTER__UPSTREAMS": line}).adapter
        for line in lines
    ]

    assert [adapter.upstreams[0].name for adapter in asked] == ["embedded", "embedded"]
    further = [adapter.upstreams[1:] for adapter in asked]
    assert [[(each.base_url, each.engine) for each in upstreams] for upstreams in further] == [
        [("http://192.0.2.7:8100/v1", "vllm")],
        [("http://petals-gateway:8086/v1", "petals")],
    ]
    # The swarm's gateway answers nobody without a key.
    assert further[1][0].api_key is not None


def test_served_folders_and_databases_are_the_mounted_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of("files", monkeypatch, tmp_path)

    mounted = {mount.split(":")[1] for mount in SERVICES["files"]["volumes"]}
    assert {str(root.path) for root in settings.files.roots} == mounted
    assert {root.name: root.data_class for root in settings.files.roots} == {
        "oeffentlich": "public",
        "intern": "internal",
    }
    assert settings.files.allowed_hosts == ("files",)


def test_served_database_is_the_mounted_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of("databases", monkeypatch, tmp_path)

    mounted = {f"sqlite:///{mount.split(':')[1]}" for mount in SERVICES["databases"]["volumes"]}
    assert {entry.url.get_secret_value() for entry in settings.databases.databases} == mounted
    labels = {entry.name: entry.labels for entry in settings.databases.databases}
    # Without databases of its own, a site serves the example with its labels.
    example = settings_of("files", monkeypatch, tmp_path).databases.databases
    assert labels == {entry.name: entry.labels for entry in example}
    assert labels["lindenau"]["citizens.iban"] == "iban"
    assert settings.databases.allowed_hosts == ("databases",)


@pytest.mark.parametrize("name", ["files", "databases"])
def test_what_the_servers_return_is_registered_with_the_adapter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    site = settings_of(name, monkeypatch, tmp_path)
    server = getattr(site, name)

    port = SERVICES["adapter"]["environment"]["HOHEIT_ADAPTER__PORT"]
    assert server.labels_url == f"http://adapter:{port}"
    assert server.labels_key == site.adapter.labels_key
    assert server.labels_key is not None


def test_open_webui_gets_what_hoheit_up_gives_it() -> None:
    settings = OpenWebUISettings(
        admin_password=SecretStr("a password"), secret_key=SecretStr("k" * 40)
    )
    wanted = environment(
        settings,
        data_dir=Path("/data"),
        adapter_url="http://adapter:8081/v1",
        adapter_key="key",
        user_jwt_secret="j" * 32,
    )
    given = SERVICES["open-webui"]["environment"]

    for name in READ_FROM_SECRETS:
        assert f'{name}="$' in SERVICES["open-webui"]["command"][0]
        assert name not in given
    # No proxy can be meant: the container has no way out.
    rest = {
        name: value
        for name, value in wanted.items()
        if name not in {*READ_FROM_SECRETS, *OF_THE_CONTAINER, "NO_PROXY"}
    }
    assert {name: value for name, value in given.items() if name not in OF_THE_CONTAINER} == rest


def test_open_webui_writes_only_into_its_volume_and_memory() -> None:
    service = SERVICES["open-webui"]
    (tmpfs,) = service["tmpfs"]

    assert service["environment"]["DATA_DIR"] == service["volumes"][0]["target"]
    assert service["environment"]["STATIC_DIR"].startswith(tmpfs.split(":")[0])
    assert service["volumes"][0]["volume"] == {"nocopy": True}
    assert service["user"] == SERVICES["volumes"]["user"]
    assert service["depends_on"]["volumes"] == {"condition": "service_completed_successfully"}


def test_services_wait_for_those_they_need() -> None:
    waits = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}

    assert waits["provision"] == {"open-webui", "files", "databases"}
    assert waits["open-webui"] == {"volumes", "adapter"}
    assert waits["adapter"] == {"embedded", "volumes"}
    assert waits["door"] == {"open-webui"}
    for name in ("vllm", "vllm-host", "petals-node"):
        assert waits[name] == {"engine-volumes"}
    assert waits["petals-gateway"] == {"engine-volumes", "petals-node"}

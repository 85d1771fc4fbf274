"""The unit files: the same parts and secrets as the containers, and as little power."""

from collections import defaultdict

import pytest
from compose_file import PARTS, REPOSITORY, SERVICES

UNITS = REPOSITORY / "deploy" / "systemd"
# The swarm's parts with the command and the secrets of each.
SWARM = {
    "petals-node": ("petals node", ("swarm-key",)),
    "petals-gateway": ("petals gateway", ("swarm-key", "petals-key")),
}
# vLLM's: this machine's own servers, and its share of a model over several hosts.
VLLM = {
    "vllm": "vllm serve --settings /etc/hoheit/hoheit.toml",
    "vllm-host": "vllm launch --model ${VLLM_MODEL} --hosts /etc/hoheit/hosts.yaml --only %l --run",
}
SWITCHED_ON = (
    "DynamicUser",
    "NoNewPrivileges",
    "ProtectHome",
    "PrivateTmp",
    "PrivateDevices",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "LockPersonality",
    "MemoryDenyWriteExecute",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
)


def unit(name: str) -> dict[str, list[str]]:
    """All values of each key of the unit's [Service] section, in order."""
    values: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in (UNITS / f"hoheit-{name}.service").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key].append(value)
    return values


def test_there_is_a_unit_for_each_part() -> None:
    assert {path.name for path in UNITS.iterdir()} == {
        f"hoheit-{name}.service" for name in (*PARTS, *SWARM, *VLLM)
    }


@pytest.mark.parametrize("name", PARTS)
def test_unit_runs_the_part_with_the_secrets_of_its_container(name: str) -> None:
    service = unit(name)

    assert service["ExecStart"] == [
        f"/opt/hoheit/bin/hoheit {name} --settings /etc/hoheit/hoheit.toml"
    ]
    assert service["LoadCredential"] == [
        f"{secret}:/etc/hoheit/secrets/{secret}"
        for secret in SERVICES[name]["secrets"]
        # A unit does not start without a credential that it names; here the settings hold the gateway's key.
        if secret not in ("petals-key", "vllm-key")
    ]
    # %d is the folder in which systemd puts this unit's credentials, %S the one for state.
    assert service["Environment"] == [
        f"HOHEIT_SECRETS_DIR=%d HOHEIT_HOME=%S/{service['StateDirectory'][0]}"
    ]


@pytest.mark.parametrize("name", SWARM)
def test_unit_of_the_swarm_runs_its_command_with_its_secrets(name: str) -> None:
    service = unit(name)
    command, secrets = SWARM[name]

    assert service["ExecStart"] == [
        f"/opt/hoheit/bin/hoheit {command} --settings /etc/hoheit/hoheit.toml"
    ]
    assert service["LoadCredential"] == [
        f"{secret}:/etc/hoheit/secrets/{secret}" for secret in secrets
    ]
    assert service["Environment"] == [
        f"HOHEIT_SECRETS_DIR=%d HOHEIT_HOME=%S/{service['StateDirectory'][0]}",
        "HOHEIT_ENVIRONMENTS_DIR=/opt/hoheit-environments",
    ]


@pytest.mark.parametrize("name", VLLM)
def test_unit_of_vllm_runs_its_command_with_its_key(name: str) -> None:
    service = unit(name)

    assert service["ExecStart"] == [f"/opt/hoheit/bin/hoheit {VLLM[name]}"]
    assert service["LoadCredential"] == ["vllm-key:/etc/hoheit/secrets/vllm-key"]
    assert service["Environment"] == [
        f"HOHEIT_SECRETS_DIR=%d HOHEIT_HOME=%S/{service['StateDirectory'][0]}",
        "HOHEIT_ENVIRONMENTS_DIR=/opt/hoheit-environments",
    ]


@pytest.mark.parametrize("name", [*PARTS, *SWARM, *VLLM])
def test_unit_is_confined(name: str) -> None:
    service = unit(name)

    # PyTorch compiles kernels while it runs, and vLLM needs the GPUs.
    open_to = {"MemoryDenyWriteExecute"} if name in SWARM else set()
    if name in VLLM:
        open_to = {"MemoryDenyWriteExecute", "PrivateDevices"}
    expected = [key for key in SWITCHED_ON if key not in open_to]
    switched = {key: service[key] for key in SWITCHED_ON if key in service}
    assert switched == {key: ["yes"] for key in expected}
    assert service["ProtectSystem"] == ["strict"]
    assert service["CapabilityBoundingSet"] == [""]
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged"]
    assert service["ProtectProc"] == ["invisible"]
    assert service["UMask"] == ["0077"]
    assert not {"ReadWritePaths", "User", "PermissionsStartOnly"} & service.keys()


@pytest.mark.parametrize("name", PARTS)
def test_only_the_adapter_may_talk_to_other_machines(name: str) -> None:
    closed = {"IPAddressDeny": ["any"], "IPAddressAllow": ["localhost"]}

    service = unit(name)

    assert {key: service[key] for key in closed if key in service} == (
        {} if name == "adapter" else closed
    )

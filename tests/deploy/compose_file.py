"""Reads docker-compose.yml as Compose does: with merged anchors and variables replaced."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from hoheit import secrets
from hoheit.home import Home
from hoheit.settings import Settings, complete, load

REPOSITORY = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+):(?:-(?P<default>[^}]*)|\+(?P<instead>(?:[^${}]|\$\{\w+\})*))\})"
)
_PLAIN = re.compile(r"\$\{(\w+)\}")


def read_compose(variables: dict[str, str] | None = None) -> dict[str, Any]:
    """The file with `variables` set and every other one at its default.

    Known are `${NAME:-default}`, `${NAME:+text where it is set}`, in whose text `${NAME}` may stand, and entries of
    an environment without a value, which Compose hands on where they are set and leaves out where not.
    """
    given = variables or {}
    parsed = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))
    resolved: dict[str, Any] = _resolve(parsed, given)
    return resolved


def _resolve(value: Any, given: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _handed_on(inner, given) if key == "environment" else _resolve(inner, given)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_resolve(inner, given) for inner in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        found = given.get(match["name"])
        if match["default"] is not None:
            return found or match["default"]
        return _PLAIN.sub(lambda inner: given[inner[1]], match["instead"]) if found else ""

    return _VARIABLE.sub(replacement, value)


def _handed_on(environment: dict[str, str | None], given: dict[str, str]) -> dict[str, Any]:
    known = {
        key: given.get(key) if value is None else _resolve(value, given)
        for key, value in environment.items()
    }
    return {key: value for key, value in known.items() if value is not None}


def arguments(service: dict[str, Any]) -> list[str]:
    """The command of a service as its process sees it: a list as it is, a text split as Compose splits it."""
    command = service["command"]
    return shlex.split(command) if isinstance(command, str) else command


SERVICES: dict[str, dict[str, Any]] = read_compose()["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
PARTS = {"adapter": 8081, "embedded": 8082, "files": 8083, "databases": 8084}
ONE_SHOT = {"volumes", "engine-volumes", "provision"}
# The swarm's own, and the ports on which they answer HTTP.
SWARM = {"petals-node": 8091, "petals-gateway": 8086}
ENGINES = {"vllm", "vllm-host", *SWARM}


def settings_of(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
    variables: dict[str, str] | None = None,
) -> Settings:
    """The settings that the service's container reads, its secrets at hand, with `variables` set on the host."""
    for variable in [key for key in os.environ if key.startswith("HOHEIT_")]:
        monkeypatch.delenv(variable)
    service = read_compose(variables)["services"][name]
    for variable, value in service.get("environment", {}).items():
        monkeypatch.setenv(variable, value)
    folder = home / "secrets"
    folder.mkdir(exist_ok=True)
    for secret in secrets.NAMES:
        (folder / secret).write_text(f"test-only-{secret}-long-enough", encoding="utf-8")
    return complete(load(Home(home)), Home(home))

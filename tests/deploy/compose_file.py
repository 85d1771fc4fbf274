"""Reads docker-compose.yml as Compose does: with merged anchors and variables replaced."""

import re
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+):-(?P<default>[^}]*)\})")


def read_compose(variables: dict[str, str] | None = None) -> dict[str, Any]:
    """The file with `variables` set and every other one at its default (`${NAME:-default}`)."""
    given = variables or {}
    parsed = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text("utf-8"))
    resolved: dict[str, Any] = _resolve(parsed, given)
    return resolved


def _resolve(value: Any, given: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(inner, given) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, given) for inner in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        return "$" if match["dollar"] else given.get(match["name"]) or match["default"]

    return _VARIABLE.sub(replacement, value)


SERVICES: dict[str, dict[str, Any]] = read_compose()["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("hoheit:")]
PARTS = {"adapter": 8081, "embedded": 8082, "files": 8083, "databases": 8084}
ONE_SHOT = {"volumes", "engine-volumes", "provision"}
ENGINES = {"vllm", "petals"}

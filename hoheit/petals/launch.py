"""Turns this process into a part of the swarm, run from the swarm's own environment."""

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, SecretStr

import backend_adapter.petals
from backend_adapter.petals.settings import HUB_NAME, SwarmSettings
from hoheit import environments
from hoheit.default_model import default_model
from hoheit.errors import StartError
from hoheit.home import Home
from hoheit.progress import Progress
from hoheit.settings import Settings

Part = TypeVar("Part", bound=SwarmSettings)

ENVIRONMENT = "petals"
_PROGRAM = Path(backend_adapter.petals.__file__).parent / "__main__.py"
_OF_THE_HUB = (
    "HF_ENDPOINT",
    "HF_TOKEN",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
_PEERS_S = 60.0


def python(home: Home, settings: Settings, progress: Progress) -> Path:
    """The interpreter of the swarm's environment, which is built first where it is missing."""
    root = settings.environments_dir or home.environments
    return environments.ensure(ENVIRONMENT, root, progress) / "bin" / "python"


def model(given: Path | None, home: Home, settings: Settings, progress: Progress) -> Path:
    """The model's directory: the one that is set, or the default weights, converted once.

    Raises HoheitError where they cannot be converted.
    """
    if given is not None:
        return given.expanduser().absolute()
    return default_model(python(home, settings, progress), _environment(), home, progress)


def placed(
    part: Part, given: Path | None, home: Home, settings: Settings, progress: Progress
) -> Part:
    """The settings of a node or a gateway with its model's directory in place.

    `given` on the command line wins: a directory, or the name of a model on the hub, which the part then fetches.
    """
    if given is not None:
        on_the_hub = not given.exists() and re.match(HUB_NAME, str(given)) is not None
        changed = (
            {"hub": str(given), "model": None} if on_the_hub else {"hub": None, "model": given}
        )
        part = part.model_copy(update=changed)
    hub = part.hub
    if hub is None:
        return part.model_copy(update={"model": model(part.model, home, settings, progress)})
    update: dict[str, object] = {
        "model": part.model or home.data / "models" / hub.replace("/", "--")
    }
    if "model_id" not in part.model_fields_set:
        update["model_id"] = hub.partition("@")[0].rpartition("/")[2].lower().replace(".", "-")
    return part.model_copy(update=update)


def prepared(home: Home, settings: Settings, progress: Progress) -> Settings:
    """The settings with the model of the swarm in its place, for a start of all parts."""
    petals = settings.petals
    node = placed(petals.node, None, home, settings, progress)
    same = {"hub": node.hub, "model": node.model, "model_id": node.model_id}
    gateway = petals.gateway
    if gateway.model is None and gateway.hub is None:
        gateway = gateway.model_copy(update=same)
    if petals.node.address_file is not None:
        petals.node.address_file.unlink(missing_ok=True)
    return settings.model_copy(
        update={
            "petals": petals.model_copy(
                update={
                    "node": node,
                    "gateway": placed(gateway, None, home, settings, progress),
                }
            )
        }
    )


def peers(file: Path, *, wait: bool = True) -> tuple[str, ...]:
    """The addresses in a file, one in each line; may `wait` for a node that is just starting to write it.

    Raises StartError where there are none after a minute of waiting.
    """
    deadline = time.monotonic() + _PEERS_S
    while True:
        if file.is_file():
            found = tuple(line.strip() for line in file.read_text().splitlines() if line.strip())
            if found:
                return found
        if not wait:
            return ()
        if time.monotonic() > deadline:
            raise StartError(
                f"{file} names no address to join the swarm by, after {_PEERS_S:.0f} s.",
                "Start the node that writes it first (petals.node.address_file).",
            )
        time.sleep(0.2)


def become(part: str, chosen: SwarmSettings, interpreter: Path) -> None:
    """Replace this process by the node or the gateway. The settings go with it in memory: they hold secrets."""
    settings = os.memfd_create("settings")
    os.write(settings, json.dumps(_plain(chosen)).encode())
    os.lseek(settings, 0, os.SEEK_SET)
    os.dup2(settings, sys.stdin.fileno() if sys.stdin is not None else 0)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [str(interpreter), str(_PROGRAM), part]
    os.execve(command[0], command, _environment(online=chosen.hub is not None))  # noqa: S606 - that is its purpose


def _environment(*, online: bool = False) -> dict[str, str]:
    names = (*_INHERITED, *_OF_THE_HUB) if online else _INHERITED
    inherited = {name: os.environ[name] for name in names if name in os.environ}
    return {
        **inherited,
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "HF_HUB_OFFLINE": "0" if online else "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _plain(settings: BaseModel) -> dict[str, object]:
    """The settings as JSON has them, secrets in the open."""
    return {name: _value(getattr(settings, name)) for name in type(settings).model_fields}


def _value(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        # A person's ~ and a path from where they stand mean nothing in another program.
        return str(value.expanduser().absolute())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_value(each) for each in value]
    return value

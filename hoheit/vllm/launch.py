"""Turns this process into one of the machine's vLLM servers."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from backend_adapter.vllm.command import Command, Model
from backend_adapter.vllm.parsers import Parsers, parsers_of
from backend_adapter.vllm.settings import VllmSettings
from backend_adapter.vllm.single import servers
from hoheit.default_model import default_model
from hoheit.errors import SettingsError
from hoheit.home import Home
from hoheit.progress import Progress
from hoheit.settings import Settings
from hoheit.vllm.program import device, environment, gpus, program


@dataclass(frozen=True)
class Server:
    """One server that is about to start: vLLM's command, its arguments, and all its variables."""

    program: Path
    command: Command
    variables: dict[str, str]


def model_of(interpreter: Path, settings: Settings, home: Home, progress: Progress) -> Model:
    """The model that the servers load; SmolLM2 is converted first where none is named.

    Raises HoheitError where it cannot be converted.
    """
    chosen = settings.vllm
    if chosen.model is None:
        directory = default_model(interpreter, environment("cpu", {}), home, progress)
        # It is compared with other engines, so it is computed as exactly as they do.
        source, dtype = str(directory), "float32"
    else:
        source, dtype = chosen.model, None
        if on_this_machine(source):
            source = str(Path(source).expanduser().absolute())
    known = parsers_of(Path(source).name)
    return Model(
        source,
        chosen.model_id,
        Parsers(chosen.tool_parser or known.tool, chosen.reasoning_parser or known.reasoning),
        dtype,
        chosen.context_tokens,
    )


def on_this_machine(model: str) -> bool:
    """Whether a model's name is a directory, and not its name on the hub."""
    return Path(model).expanduser().is_dir()


def server(number: int, settings: Settings, home: Home, progress: Progress) -> Server:
    """What starts server `number` (0 and up) of this machine, its environment built and its model in place.

    Raises HoheitError where something is missing.
    """
    chosen = settings.vllm
    if not 0 <= number < chosen.replicas:
        raise SettingsError(
            f"There is no server {number}: vllm.replicas is {chosen.replicas}.",
            "Count from 0, or set vllm.replicas higher.",
        )
    on = device(chosen.device)
    command_line = program(on, home, settings, progress)
    model = model_of(command_line.with_name("python"), settings, home, progress)
    command = servers(
        chosen,
        model,
        gpus=gpus() if on == "gpu" else 0,
        cores=sorted(os.sched_getaffinity(0)),
        online=not on_this_machine(model.source),
    )[number]
    variables = environment(on, {**_caches(home), **command.variables, **_key(chosen)})
    return Server(command_line, command, variables)


def become(given: Server) -> None:
    """Replace this process by the server."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(  # noqa: S606 - that is its purpose
        given.program, ["vllm", *given.command.arguments], given.variables
    )


def _caches(home: Home) -> dict[str, str]:
    """What vLLM compiles and tunes is kept with the site's data."""
    return {"VLLM_CACHE_ROOT": str(home.data / "vllm")}


def _key(settings: VllmSettings) -> dict[str, str]:
    key = settings.api_key
    return {} if key is None else {"VLLM_API_KEY": key.get_secret_value()}

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


def source_of(model: str) -> tuple[str, bool]:
    """A model's directory by its whole path, or its name on the hub; and whether it is the latter.

    The directory need not be on this machine: what looks like a path is one.
    """
    path = Path(model).expanduser()
    if path.is_dir() or model.startswith(("/", "./", "../", "~")):
        return str(path.absolute()), False
    return model, True


def model_of(
    interpreter: Path, settings: Settings, home: Home, progress: Progress
) -> tuple[Model, bool]:
    """The model that the servers load, and whether it comes from the hub; SmolLM2 is converted where none is named.

    Raises HoheitError where it cannot be converted.
    """
    chosen = settings.vllm
    if chosen.model is None:
        directory = default_model(interpreter, environment("cpu", {}), home, progress)
        # It is compared with other engines, so it is computed as exactly as they do.
        source, on_the_hub, dtype = str(directory), False, "float32"
    else:
        (source, on_the_hub), dtype = source_of(chosen.model), None
    known = parsers_of(Path(source).name)
    parsers = Parsers(chosen.tool_parser or known.tool, chosen.reasoning_parser or known.reasoning)
    return Model(source, chosen.model_id, parsers, dtype, chosen.context_tokens), on_the_hub


def variables_of(settings: VllmSettings, home: Home) -> dict[str, str]:
    """What every vLLM process of this site is told: where it keeps what it compiles, and the key that it wants."""
    variables = {"VLLM_CACHE_ROOT": str(home.data / "vllm")}
    if settings.api_key is not None:
        variables["VLLM_API_KEY"] = settings.api_key.get_secret_value()
    return variables


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
    count = gpus() if on == "gpu" else None
    if count == 0:
        # Before gigabytes are fetched for nothing.
        raise SettingsError(
            "vllm.device is gpu, and nvidia-smi lists none on this machine.",
            "Install the GPU's driver, or set vllm.device to auto or cpu.",
        )
    command_line = program(on, home, settings, progress)
    model, on_the_hub = model_of(command_line.with_name("python"), settings, home, progress)
    command = servers(
        chosen,
        model,
        gpus=count,
        cores=sorted(os.sched_getaffinity(0)),
        online=on_the_hub,
    )[number]
    variables = environment(on, {**command.variables, **variables_of(chosen, home)})
    return Server(command_line, command, variables)


def become(given: Server) -> None:
    """Replace this process by the server."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(  # noqa: S606 - that is its purpose
        given.program, ["vllm", *given.command.arguments], given.variables
    )

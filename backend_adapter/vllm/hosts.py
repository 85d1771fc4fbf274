"""The hosts that one model is spread over, as an admin writes them down.

hosts:
  - name: hall
    address: 10.0.0.1
    gpus: 4
    interface: eth0
  - name: library
    address: 10.0.0.2
    gpus: 4
    interface: eth0
    ssh: hoheit@10.0.0.2
"""

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backend_adapter.vllm.errors import LayoutError

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_ADDRESS = r"^[A-Za-z0-9][A-Za-z0-9.:-]*$"


class Host(BaseModel):
    """One machine: where the others reach it, and what it computes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=_NAME, max_length=64)]
    address: Annotated[str, Field(pattern=_ADDRESS, max_length=253)]
    # 0 computes on processors.
    gpus: Annotated[int, Field(ge=0, le=64)]
    # The network interface that leads to the other hosts; without one NCCL and Gloo choose.
    interface: Annotated[str, Field(pattern=r"^[\w.@-]+$", max_length=15)] | None = None
    # Which processor cores, where it computes on them.
    cores: Annotated[str, Field(pattern=r"^[\d,-]+(\|[\d,-]+)*$")] | None = None
    # How `hoheit vllm launch --run` gets there (user@host, ssh://user@host:port, a name of ssh's own settings);
    # without it, it has to be this machine.
    ssh: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9@._:/-]*$")] | None = None
    # What is called there instead of `hoheit vllm exec`.
    program: tuple[str, ...] = ("hoheit", "vllm", "exec")


class Hosts(BaseModel):
    """All of them; the first one answers for those that follow it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _once(self) -> "Hosts":
        names = [host.name for host in self.hosts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two hosts are named {', '.join(twice)}")
        return self


def read_hosts(file: Path) -> tuple[Host, ...]:
    """The hosts in a YAML file of the form above. Raises LayoutError with the place and what is allowed."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Hosts.model_validate(content).hosts
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise LayoutError(f"The hosts in {file} cannot be read: {reason}.") from error
    except yaml.YAMLError as error:
        raise LayoutError(f"{file} is not valid YAML: {error}.", "Correct that line.") from error
    except ValidationError as error:
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise LayoutError(
            f"{file}: {'; '.join(faults)}.",
            "It is a list 'hosts' of name, address and gpus (docs/vllm.md).",
        ) from error

"""The processes that make up a site on one machine: names, addresses, how each starts and shows its health."""

import errno
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psutil

from hoheit.errors import StartError
from hoheit.settings import Settings, address


@dataclass(frozen=True)
class Part:
    """One process: `section` is its table in hoheit.toml, `health` the path that answers 200 when it is ready."""

    name: str
    section: str
    host: str
    port: int
    health: str = "/health"
    start_seconds: float = 60.0
    # What follows `hoheit` on its command line, if not its name, and variables of its own.
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return address(self.host, self.port)

    @property
    def command(self) -> list[str]:
        """What starts it in the foreground: the same command that people run under systemd."""
        return [sys.executable, "-m", "hoheit", *(self.arguments or (self.name,))]


def parts(settings: Settings) -> list[Part]:
    """The parts that these settings start, in the order in which they depend on each other."""
    return list(_parts(settings))


def _parts(settings: Settings) -> Iterator[Part]:
    if settings.engine == "petals":
        from hoheit.petals.parts import swarm_parts

        yield from swarm_parts(settings.petals)
    elif settings.engine == "vllm":
        from hoheit.vllm.parts import server_parts

        yield from server_parts(settings.vllm)
    elif settings.embedded.enabled:
        yield Part("embedded", "embedded", settings.embedded.host, settings.embedded.port)
    yield Part("files", "files", settings.files.host, settings.files.port)
    yield Part("databases", "databases", settings.databases.host, settings.databases.port)
    yield Part("adapter", "adapter", settings.adapter.host, settings.adapter.port)
    if settings.open_webui.enabled:
        chat = settings.open_webui
        # The first start migrates an empty database, on a slow disk for minutes.
        yield Part("open-webui", "open_webui", chat.host, chat.port, start_seconds=300.0)


def require_free_ports(wanted: list[Part]) -> None:
    """Raises StartError that names each port in use, by whom, and the setting that moves it."""
    faults = [fault for part in wanted if (fault := _port_fault(part))]
    if faults:
        raise StartError("\n".join(faults))


def _port_fault(part: Part) -> str:
    family = socket.AF_INET6 if ":" in part.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((part.host, part.port))
        except OSError as error:
            variable = part.section.upper().replace(".", "__")
            setting = f"{part.section}.port (HOHEIT_{variable}__PORT)"
            if error.errno == errno.EADDRINUSE:
                return (
                    f"Port {part.port} on {part.host}, meant for {part.name}, is in use"
                    f"{_owner(part.port)}. Stop that process, or set {setting} to a free port."
                )
            return (
                f"{part.name} cannot listen on {part.host}:{part.port}: {os.strerror(error.errno or 0)}."
                f" Set {part.section}.host to an address of this machine and {setting} to a free port."
            )
    return ""


def _owner(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN":
                if connection.pid:
                    return f" by process {connection.pid} ({psutil.Process(connection.pid).name()})"
                break
    except psutil.Error:  # other users' sockets are hidden from us: the port number has to do
        pass
    return ""

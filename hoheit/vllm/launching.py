"""What `hoheit vllm launch` does with the commands of the hosts: shows them, becomes one, or runs them all."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace

import typer

from backend_adapter.vllm.errors import LayoutError
from backend_adapter.vllm.layout import Cluster, Started
from hoheit.settings import address
from hoheit.vllm.running import command_line, reachable, run


def chosen(started: Sequence[Started], only: str | None) -> list[Started]:
    """All of them, or the one that is named, which is this machine then. Raises LayoutError where it is none."""
    if only is None:
        return list(started)
    found = [
        replace(each, host=each.host.model_copy(update={"ssh": None}))
        for each in started
        if each.host.name == only
    ]
    if not found:
        names = ", ".join(each.host.name for each in started)
        raise LayoutError(f"There is no host {only!r}.", f"The hosts are: {names}.")
    return found


def shown(started: Sequence[Started], cluster: Cluster) -> str:
    """The command of each host, and the adapter's settings for what answers."""
    lines = []
    for each in started:
        what = f"answers at {_api(each, cluster)}" if each.answers else "works for the first host"
        lines += [
            f"# {each.host.name} ({each.host.address}) {what}",
            each.command.shell(each.host.program),
            "",
        ]
    return "\n".join([*lines, *_upstreams(started, cluster)]).rstrip()


def _api(started: Started, cluster: Cluster) -> str:
    return f"{address(started.host.address, cluster.port)}/v1"


def _upstreams(started: Sequence[Started], cluster: Cluster) -> list[str]:
    lines = ["# In the adapter's hoheit.toml:"]
    for each in started:
        if each.answers:
            lines += [
                "# [[adapter.upstreams]]",
                f'# name = "{each.host.name}"',
                f'# base_url = "{_api(each, cluster)}"',
                f'# api_key = "the secret vllm-key of {each.host.name}"',
                '# engine = "vllm"',
            ]
    return lines


def become(started: Started) -> None:
    """Replace this process by the server of one host, which has to be this machine."""
    reachable([started])
    given = command_line(started.host, started.command)
    sys.stdout.flush()
    os.execvpe(given[0], given, {**os.environ, **started.command.variables})  # noqa: S606


def run_all(started: Sequence[Started], cluster: Cluster, layout: str) -> None:
    """Starts these hosts, says when all is well, and stays until Ctrl-C. Raises HoheitError or LayoutError."""
    reachable(started)
    first = cluster.hosts[0]

    def ready() -> None:
        apis = [_api(each, cluster) for each in started if each.answers]
        if not apis:
            typer.secho(f"✔ works for {first.name}, which answers", fg="green")
            return
        typer.secho(f"✔ {cluster.model.name} answers at {', '.join(apis)}", fg="green")
        said = f" --layout {layout}" if layout else ""
        typer.echo(f"  Look at it with: hoheit vllm check {' '.join(apis)}{said}")
        typer.echo("  Ctrl-C stops all of it.")

    asyncio.run(run(started, first.address, cluster.port, typer.echo, ready))

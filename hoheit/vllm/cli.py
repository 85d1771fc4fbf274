"""`hoheit vllm`: vLLM servers on this machine and on others, and what is wrong with those that run."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from hoheit.home import find
from hoheit.options import JsonOption, SettingsOption
from hoheit.orphans import end_with_parent
from hoheit.progress import Progress

app = typer.Typer(
    name="vllm",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="vLLM: servers with the whole model on this machine, or one model spread over several hosts.\n\n"
    "Example: `hoheit vllm serve`",
)


@app.command(epilog="Example: `hoheit vllm serve --model Qwen/Qwen3-8B`")
def serve(
    model: Annotated[
        str | None,
        typer.Option(
            help="Directory of the model in Hugging Face's form, or its name on the hub (org/name), "
            "instead of SmolLM2."
        ),
    ] = None,
    replica: Annotated[
        int, typer.Option(min=0, help="Which of this machine's servers, from 0 (vllm.replicas).")
    ] = 0,
    settings: SettingsOption = None,
) -> None:
    """Runs a server, as [vllm] in the settings says: on the GPUs of this machine, without any on its processors.

    vLLM's environment is built at the first start. The adapter takes it as an upstream with engine = "vllm".
    """
    from hoheit.settings import complete, load
    from hoheit.vllm.launch import become, server

    if model:
        os.environ["HOHEIT_VLLM__MODEL"] = model
    home = find(os.environ)
    end_with_parent()
    site = complete(load(home, settings), home, ("vllm-key",))
    become(server(replica, site, home, Progress()))


@app.command(
    epilog="Example: `hoheit vllm launch --model openai/gpt-oss-120b --hosts hosts.yaml --run`"
)
def launch(
    model: Annotated[
        str,
        typer.Option(
            help="Directory of the model, the same on every host, or its name on the hub."
        ),
    ],
    hosts: Annotated[Path, typer.Option(help="YAML file with the hosts: name, address, gpus.")],
    layout: Annotated[
        Literal["pipeline", "experts", "replicas"],
        typer.Option(
            help="How they share the work: each has some of the layers; each some of a mixture's experts and "
            "of the chats; or each the whole model. Within a host, its GPUs share every layer."
        ),
    ] = "pipeline",
    name: Annotated[
        str | None,
        typer.Option(help="Name to ask for the model by. Default: the last part of --model."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of the API.")] = 8100,
    context_tokens: Annotated[
        int | None, typer.Option(min=256, help="Tokens of one chat. Default: the model's own.")
    ] = None,
    argument: Annotated[
        list[str] | None,
        typer.Option(help="Further argument of `vllm serve`, as --argument=--dtype=bfloat16."),
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Start them, and stay until Ctrl-C.")] = False,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only this host's command; with --run, start it here: it is this machine."
        ),
    ] = None,
) -> None:
    """Prints the command of every host that one model is spread over, and with --run starts them all.

    Hosts other than this machine are reached by ssh, or each host's own unit runs `--only NAME --run`.
    """
    from backend_adapter.vllm.command import Model
    from backend_adapter.vllm.hosts import read_hosts
    from backend_adapter.vllm.layout import Cluster, commands, expected_fingerprint
    from backend_adapter.vllm.parsers import parsers_of
    from hoheit.vllm import launching
    from hoheit.vllm.launch import source_of

    source, on_the_hub = source_of(model)
    last = Path(source).name
    cluster = Cluster(
        Model(source, name or last.lower(), parsers_of(last), None, context_tokens),
        read_hosts(hosts),
        layout,
        port,
        arguments=tuple(argument or ()),
    )
    started = launching.chosen(commands(cluster, online=on_the_hub), only)
    if not run:
        typer.echo(launching.shown(started, cluster))
    elif only is not None and started[0].answers:
        end_with_parent()
        launching.become(started[0])
    else:
        launching.run_all(started, cluster, expected_fingerprint(cluster))


@app.command(
    "exec",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: `hoheit vllm exec serve --help`",
)
def execute(context: typer.Context) -> None:
    """Runs vLLM's own command line, from the environment for this machine (built at first use).

    A server that it starts wants this site's secret vllm-key.
    """
    from hoheit.settings import complete, load
    from hoheit.vllm.launch import variables_of
    from hoheit.vllm.program import device, environment, program

    home = find(os.environ)
    end_with_parent()
    site = complete(load(home), home, ("vllm-key",))
    on = device(site.vllm.device)
    binary = program(on, home, site, Progress())
    variables = environment(on, variables_of(site.vllm, home))
    sys.stdout.flush()
    os.execve(binary, ["vllm", *context.args], variables)  # noqa: S606 - that is its purpose


@app.command(epilog="Example: `hoheit vllm check http://10.0.0.1:8100/v1 --layout tp4-pp2`")
def check(
    server: Annotated[
        list[str] | None,
        typer.Argument(
            help="Addresses (http://…/v1) or names of upstreams. Default: all vLLM upstreams of the settings."
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="File with the key of addresses. Default: the secret vllm-key."),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="How they should be laid out, as vLLM calls it: tp4, tp4-pp2, dp8-ep."),
    ] = None,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Looks at running servers: version, engine, layout, room for keys and values, a real completion, tool calls.

    Ends with 1 where something is wrong.
    """
    from hoheit.settings import complete, load
    from hoheit.vllm import checking

    home = find(os.environ)
    site = complete(load(home, settings), home, ("adapter-key", "vllm-key"))
    targets = checking.targets(site, server or [], key_file, layout)
    findings = checking.examine_all(targets)
    if as_json:
        typer.echo(json.dumps({"checks": [vars(each) for each in findings]}, indent=2))
    else:
        typer.echo(checking.shown(findings))
    if any(each.verdict == "fault" for each in findings):
        raise typer.Exit(1)

"""The command line: starts, watches and provisions a site, and runs each part by itself."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from backend_adapter.errors import AdapterError
from hoheit import secrets
from hoheit.egress.cli import app as egress
from hoheit.egress.policy import app as policy
from hoheit.errors import HoheitError, SettingsError
from hoheit.home import Home, find
from hoheit.options import JsonOption, SettingsOption
from hoheit.orphans import end_with_parent
from hoheit.petals.cli import app as petals
from hoheit.progress import Progress
from hoheit.receipts.cli import app as receipts
from hoheit.vllm.cli import app as vllm
from mcp_servers.errors import SiteError

if TYPE_CHECKING:  # `hoheit --help` need not wait for every part's imports
    from backend_adapter.settings import AdapterSettings
    from hoheit.settings import Settings

app = typer.Typer(
    name="hoheit",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Chat with very large open models spread over many sites, while files and databases stay at "
    "their own.\n\nExample: `hoheit up`",
)

app.add_typer(petals)
app.add_typer(vllm)
app.add_typer(egress)
app.add_typer(receipts)
app.add_typer(policy)

TransportOption = Annotated[
    Literal["http", "stdio"],
    typer.Option(help="Serve over HTTP, or over standard input and output."),
]


def _example(command: str) -> str:
    return f"Example: `{command}`"


@app.command(
    epilog="Example: `hoheit up --model ~/models/qwen3-8b.gguf`, "
    "`hoheit up --engine vllm --model Qwen/Qwen3-8B`"
)
def up(
    settings: SettingsOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Another model than SmolLM2: a GGUF file for the embedded engine; for a swarm and for vLLM a "
            "directory in Hugging Face's form, or a name on the hub (org/name)."
        ),
    ] = None,
    engine: Annotated[
        Literal["embedded", "petals", "vllm"] | None,
        typer.Option(
            help="What answers: the embedded engine, a swarm of four nodes on this machine, or vLLM on its GPUs, "
            "without any on its processors."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Open WebUI with its local ML parts (about 3 GB).")
    ] = False,
) -> None:
    """Starts the whole site on this machine and stays until Ctrl-C, which stops everything."""
    from hoheit.settings import load
    from hoheit.up import up as run

    # Variables, because every part reads its settings for itself.
    if engine:
        os.environ["HOHEIT_ENGINE"] = engine
    if full:
        os.environ["HOHEIT_OPEN_WEBUI__EDITION"] = "full"
    if settings:
        os.environ["HOHEIT_SETTINGS"] = str(settings.absolute())
    home = find(os.environ)
    if model:
        os.environ.update(_model_variable(load(home, settings).engine, model))
    run(home, load(home, settings), Progress())


def _model_variable(engine: str, model: str) -> dict[str, str]:
    """What tells the parts of an engine which model; what lies on this machine by its whole path."""
    path = Path(model).expanduser()
    source = str(path.absolute()) if path.exists() else model
    if engine == "petals":
        return {f"HOHEIT_PETALS__NODE__{'MODEL' if path.exists() else 'HUB'}": source}
    return {"HOHEIT_VLLM__MODEL" if engine == "vllm" else "HOHEIT_EMBEDDED__MODEL": source}


@app.command(epilog=_example("hoheit down"))
def down() -> None:
    """Stops what `hoheit up` runs in this home, from any terminal."""
    from hoheit.up import down as run

    if not run(find(os.environ), Progress()):
        typer.echo("Nothing is running here.")


@app.command(epilog=_example("hoheit status --json"))
def status(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Shows every part: starting, ready, failed (and why) or stopped. Ends with 1 if a part failed."""
    from hoheit.parts import parts
    from hoheit.settings import load
    from hoheit.status import look

    home = find(os.environ)
    rows = asyncio.run(look(home, parts(load(home, settings))))
    if as_json:
        typer.echo(json.dumps({"parts": [row.public() for row in rows]}, indent=2))
    else:
        for row in rows:
            pid = str(row.process.pid) if row.process else "-"
            typer.echo(f"{row.name:<11} {row.state:<9} {pid:>8}  {row.address:<24} {row.detail}")
    if any(row.state == "failed" for row in rows):
        raise typer.Exit(1)


@app.command(epilog=_example("hoheit doctor"))
def doctor(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Checks ports, environments, versions, reachability and tokens, and says how to mend each fault."""
    from hoheit.doctor import examine

    home = find(os.environ)
    checks = asyncio.run(examine(home, _complete(home, settings)))
    if as_json:
        typer.echo(json.dumps({"checks": [vars(check) for check in checks]}, indent=2))
    else:
        marks = {"ok": "✔", "warning": "!", "fault": "✘"}
        for check in checks:
            typer.echo(f"{marks[check.verdict]} {check.subject}: {check.found}")
            if check.remedy:
                typer.echo(f"    → {check.remedy}")
    if any(check.verdict == "fault" for check in checks):
        raise typer.Exit(1)


@app.command(
    epilog=_example("hoheit provision --url https://chat.example.org --token sk-… --without-user")
)
def provision(
    url: Annotated[str, typer.Option(help="Address of an Open WebUI, as this machine reaches it.")],
    token: Annotated[
        str | None,
        typer.Option(envvar="OPEN_WEBUI_TOKEN", help="An admin's API key or session token."),
    ] = None,
    adapter_url: Annotated[
        str | None, typer.Option(help="Adapter as Open WebUI reaches it (http://adapter:8081/v1).")
    ] = None,
    files_url: Annotated[
        str | None,
        typer.Option(help="Files server as Open WebUI reaches it (http://files:8083/mcp)."),
    ] = None,
    databases_url: Annotated[
        str | None, typer.Option(help="Databases server as Open WebUI reaches it.")
    ] = None,
    without_user: Annotated[
        bool, typer.Option("--without-user", help="Make no account for a normal user.")
    ] = False,
    settings: SettingsOption = None,
) -> None:
    """Puts an existing Open WebUI into the state this bundle needs; what an admin set up there stays.

    Without --token it logs in as open_webui.admin_email with the secret admin-password.
    """
    from dataclasses import replace

    from hoheit.provision_site import at, plan_for, provision_elsewhere

    needed = ("adapter-key", "files-token", "databases-token", "admin-password", "user-password")
    site = _complete(find(os.environ), settings, needed)
    plan = at(plan_for(site), adapter_url, files_url, databases_url)
    if without_user:
        plan = replace(plan, user_email=None)
    password = site.open_webui.admin_password
    login = None
    if token is None and password is not None:
        login = (site.open_webui.admin_email, password.get_secret_value())
    asyncio.run(provision_elsewhere(plan, url, token, login, typer.echo))


@app.command("settings", epilog=_example("hoheit settings > hoheit.toml"))
def show_settings() -> None:
    """Prints a settings file with every key, what it does and its default."""
    from hoheit.template import render

    typer.echo(render(), nl=False)


@app.command(epilog=_example("hoheit adapter --settings /etc/hoheit/hoheit.toml"))
def adapter(settings: SettingsOption = None) -> None:
    """Runs the adapter alone: the OpenAI-compatible gateway to the models.

    A changed settings file is taken over while it runs, or at once on SIGHUP; no answer breaks off for it.
    """
    from backend_adapter.reload import Watch
    from backend_adapter.serve import serve
    from hoheit.settings import settings_file

    needed = (
        "adapter-key",
        "admin-key",
        "user-jwt-secret",
        "egress-key",
        "labels-key",
        "embedded-key",
    )
    home = find(os.environ)

    def load() -> "AdapterSettings":
        return _complete(home, settings, needed).adapter

    end_with_parent()
    serve(load(), Watch(settings_file(home, settings), load, HoheitError))


@app.command(epilog=_example("hoheit embedded --model ~/models/qwen3-8b.gguf"))
def embedded(
    settings: SettingsOption = None,
    model: Annotated[
        Path | None, typer.Option(help="A GGUF file, instead of the SmolLM2 weights.")
    ] = None,
) -> None:
    """Runs the embedded engine alone: llama.cpp with one model, on this machine."""
    from backend_adapter.embedded.server import serve

    if model:
        os.environ["HOHEIT_EMBEDDED__MODEL"] = str(model.expanduser().absolute())
    serve(_part(settings, "embedded-key").embedded)


@app.command(epilog=_example("hoheit files --transport stdio"))
def files(settings: SettingsOption = None, transport: TransportOption = "http") -> None:
    """Runs the MCP server for the site's documents alone."""
    from mcp_servers.files.server import serve

    serve(_part(settings, "files-token", "labels-key").files, transport)


@app.command(epilog=_example("hoheit databases --transport stdio"))
def databases(settings: SettingsOption = None, transport: TransportOption = "http") -> None:
    """Runs the MCP server for the site's databases alone."""
    from mcp_servers.databases.server import serve

    serve(_part(settings, "databases-token", "labels-key").databases, transport)


@app.command("open-webui", epilog=_example("hoheit open-webui"))
def open_webui(settings: SettingsOption = None) -> None:
    """Runs Open WebUI alone, from its isolated environment (built at first use)."""
    from hoheit.open_webui.launch import become_open_webui

    home = find(os.environ)
    end_with_parent()
    become_open_webui(home, _complete(home, settings), Progress())


def _complete(
    home: Home, file: Path | None, needed: tuple[str, ...] = tuple(secrets.NAMES)
) -> "Settings":
    from hoheit.settings import complete, load

    return complete(load(home, file), home, needed)


def _part(file: Path | None, *needed: str) -> "Settings":
    end_with_parent()
    return _complete(find(os.environ), file, needed)


def main() -> None:
    """Runs the command line; an error ends it with what happened and what to do, not with a traceback."""
    try:
        app()
    except SettingsError as error:
        _complain(error, 2)
    except (HoheitError, AdapterError, SiteError) as error:
        _complain(error, 1)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _complain(f"the system refuses: {error.strerror or error}{where}", 1)


def _complain(error: object, status: int) -> NoReturn:
    typer.secho(f"error: {error}", err=True, fg="red")
    sys.exit(status)

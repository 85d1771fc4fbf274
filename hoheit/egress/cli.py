"""`hoheit egress`: what leaves the site, shown without sending anything."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hoheit.home import find
from hoheit.options import JsonOption, SettingsOption

if TYPE_CHECKING:
    from hoheit.egress.collecting import Collected

app = typer.Typer(
    name="egress",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help='What leaves the site, and as what.\n\nExamples: `hoheit egress preview "Who is Anna Lang?"`, '
    "`hoheit egress collect`",
)


@app.callback()
def _group() -> None:
    """What leaves the site, and as what."""


@app.command(epilog="Example: `hoheit egress preview < letter.txt`")
def preview(
    text: Annotated[
        str | None, typer.Argument(help="A text. Default: what comes on standard input.")
    ] = None,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Prints a text as it would leave the site, and how many values of which kind were replaced. Sends nothing.

    The pseudonyms are not those of any chat.
    """
    from backend_adapter.egress.guard import Guard
    from hoheit.settings import complete, load

    home = find(os.environ)
    site = complete(load(home, settings), home, ("egress-key",))
    protected = Guard.read(site.adapter.egress).protect("preview")
    given = sys.stdin.read() if text is None else text
    left = protected.outgoing({"messages": [{"role": "user", "content": given}]})
    messages = left["messages"]
    said = messages[0]["content"] if isinstance(messages, list) else ""
    replaced = dict(protected.counts)
    if as_json:
        typer.echo(json.dumps({"text": said, "replaced": replaced}, ensure_ascii=False))
        return
    typer.echo(said)
    shown = ", ".join(f"{count} × {kind}" for kind, count in sorted(replaced.items()))
    typer.echo(f"replaced: {shown or 'nothing'}", err=True)


@app.command(
    epilog="Examples: `hoheit egress collect`, `hoheit egress collect --to /srv/hoheit/lists`"
)
def collect(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Folder of the lists. Default: lists in the home."),
    ] = None,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Writes every value of the labelled columns of the site's databases into lists, one for each kind.

    The boundary then finds these values in every text, also where no tool has returned them. Run it as often as the
    databases change: a running adapter takes up new lists by itself.
    """
    from hoheit.egress.collecting import collect as collect_into
    from hoheit.progress import Progress
    from hoheit.settings import complete, load
    from mcp_servers.databases.engines import open_database

    home = find(os.environ)
    site = complete(load(home, settings), home, ())
    folder = (to or home.path / "lists").expanduser().absolute()
    databases = [open_database(each) for each in site.databases.databases]
    with Progress().step("reading the labelled columns") as step:
        lists = collect_into(databases, folder, step.update)
    if as_json:
        shown = [asdict(each) | {"path": str(each.path)} for each in lists]
        typer.echo(json.dumps({"lists": shown}, ensure_ascii=False))
        return
    if not lists:
        typer.echo(
            "No column is labelled: nothing was written. Name some as `labels` of [[databases.databases]]."
        )
    for each in lists:
        typer.echo(_line(each))
    named = {given.path.expanduser().absolute() for given in site.adapter.egress.dictionaries}
    if missing := [each for each in lists if each.path not in named]:
        typer.echo("\nThe boundary does not look for these yet. Add to the settings:")
        for each in missing:
            # A string of JSON is one of TOML, whatever is in the path.
            path = json.dumps(str(each.path))
            typer.echo(f'\n[[adapter.egress.dictionaries]]\npath = {path}\nkind = "{each.kind}"')


def _line(each: "Collected") -> str:
    left_out = f", {each.left_out:,} too short" if each.left_out else ""
    same = "" if each.changed else ", as before"
    columns = ", ".join(each.columns) or "nothing in its columns"
    return f"{each.path}: {each.values:,} values{left_out}{same} ({columns})"

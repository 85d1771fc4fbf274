"""`hoheit egress`: what leaves the site, shown without sending anything."""

import json
import os
import sys
from typing import Annotated

import typer

from hoheit.home import find
from hoheit.options import JsonOption, SettingsOption

app = typer.Typer(
    name="egress",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help='What leaves the site, and as what.\n\nExample: `hoheit egress preview "Who is Anna Lang?"`',
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

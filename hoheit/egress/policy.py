"""`hoheit policy`: who may be sent what, and by which line."""

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from backend_adapter.egress.classes import DataClass, highest
from backend_adapter.errors import SettingsError
from hoheit.home import find
from hoheit.options import JsonOption, SettingsOption

if TYPE_CHECKING:  # other commands need not wait for these
    from backend_adapter.egress.policy.rules import Decision, Policy
    from backend_adapter.settings import AdapterSettings, UpstreamSettings

app = typer.Typer(
    name="policy",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Who may be sent what.\n\nExample: `hoheit policy explain --class secret`",
)

# What becomes of a request, in words.
_MEANS = {
    "send": "leaves as it is",
    "pseudonymise": "leaves with pseudonyms for what is protected",
    "passages": "leaves with pseudonyms for what is protected, unless a document is attached",
    "on_site": "does not leave: the model of the site answers",
    "refuse": "does not leave: nobody answers",
}


@app.callback()
def _group() -> None:
    """Who may be sent what."""


@app.command(epilog="Example: `hoheit policy show > ~/.hoheit/policy.yaml`")
def show(
    settings: SettingsOption = None,
    built: Annotated[
        bool, typer.Option("--built-in", help="The built-in one, whatever is set.")
    ] = False,
) -> None:
    """Prints the policy in force, to be changed and set as `policy` under [adapter.egress]."""
    from backend_adapter.egress.policy.reading import built_in, read_policy

    path = None if built else _adapter(settings).egress.policy
    read_policy(path)
    typer.echo(path.expanduser().read_text(encoding="utf-8") if path else built_in(), nl=False)


@app.command(epilog="Example: `hoheit policy check ./policy.yaml`")
def check(file: Annotated[Path, typer.Argument(help="A policy.")]) -> None:
    """Says whether a policy can be used; if not, ends with 1 and says which line is wrong."""
    from backend_adapter.egress.policy.reading import read_policy

    policy = read_policy(file)
    typer.echo(f"{file} can be used: {len(policy.rules)} rules.")


@app.command(
    epilog="Examples: `hoheit policy explain --class confidential --to cluster`, "
    "`hoheit policy explain --chat 3f6c… --user anna@town.example`"
)
def explain(
    data_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="public, internal, confidential or secret. Default: that of unlabelled data.",
        ),
    ] = None,
    chat: Annotated[
        str | None, typer.Option(help="Id of a chat, whose class and switch then count.")
    ] = None,
    user: Annotated[
        list[str] | None,
        typer.Option(help="Id or e-mail address, role:NAME, client:NAME; may be repeated."),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Name of an upstream. Default: all outside of the site.")
    ] = None,
    as_json: JsonOption = False,
    settings: SettingsOption = None,
) -> None:
    """Says what becomes of a request, and which line of the policy decides. Sends nothing."""
    from backend_adapter.egress.policy.reading import read_policy

    adapter = _adapter(settings)
    policy = read_policy(adapter.egress.policy)
    given = policy.unlabelled if data_class is None else _class(data_class)
    special: Decision | None = None
    if chat is not None:
        known_class, special = asyncio.run(_of_chat(adapter, chat, policy))
        given = highest((given, known_class))
    rows = [
        _explained(policy, upstream, given, special, user or [])
        for upstream in _upstreams(adapter, to)
    ]
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(
            f"{row['to']} ({row['trust']}): what is {row['class']} {_MEANS[row['action']]} [{row['line']}]"
        )
    if not rows:
        typer.echo("No upstream outside of the site is set: nothing leaves.")


def _explained(
    policy: "Policy",
    upstream: "UpstreamSettings",
    data_class: DataClass,
    special: "Decision | None",
    user: list[str],
) -> dict[str, str]:
    from backend_adapter.egress.policy.rules import Decision, Destination

    if upstream.trust == "site":
        decision = Decision("send", "an upstream of the site")
    else:
        destination = Destination(upstream.name, upstream.trust)
        decision = special or policy.decide(data_class, destination, user)
    return {
        "to": upstream.name,
        "trust": upstream.trust,
        "class": data_class,
        "action": decision.action,
        "line": decision.line,
    }


async def _of_chat(
    adapter: "AdapterSettings", chat: str, policy: "Policy"
) -> "tuple[DataClass, Decision | None]":
    """The class of a chat, and what decides before any rule does. Raises DatabaseError."""
    from backend_adapter.api.leaving import before_rules
    from backend_adapter.database import open_database
    from backend_adapter.egress.labels import Labels

    if adapter.database_url is None:
        raise SettingsError(
            "There is no database in which a chat could be looked up.",
            "Set database_url under [adapter] in hoheit.toml.",
        )
    async with open_database(adapter.database_url) as engine:
        known = await Labels(engine, adapter.egress.labels_days).known(
            chat, "", (), policy.unlabelled
        )
    return known.data_class, before_rules(known)


def _upstreams(adapter: "AdapterSettings", name: str | None) -> "list[UpstreamSettings]":
    if name is None:
        return [each for each in adapter.upstreams if each.trust != "site"]
    found = [each for each in adapter.upstreams if each.name == name]
    if not found:
        names = ", ".join(each.name for each in adapter.upstreams) or "none"
        raise SettingsError(f"There is no upstream named {name!r}.", f"The upstreams are: {names}.")
    return found


def _class(given: str) -> DataClass:
    for each in get_args(DataClass):
        if each == given:
            return each  # type: ignore[no-any-return]
    raise typer.BadParameter(
        f"{given!r} is none of {', '.join(get_args(DataClass))}.", param_hint="--class"
    )


def _adapter(settings: Path | None) -> "AdapterSettings":
    from hoheit.settings import complete, load

    home = find(os.environ)
    return complete(load(home, settings), home, ()).adapter

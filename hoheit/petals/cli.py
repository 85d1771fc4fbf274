"""`hoheit petals`: the swarm's parts by themselves, for sites that share one."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hoheit.home import find
from hoheit.options import SettingsOption
from hoheit.orphans import end_with_parent
from hoheit.progress import Progress

app = typer.Typer(
    name="petals",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A Petals swarm: the layers of one model spread over the nodes of many sites.\n\n"
    "Example: `hoheit petals node`",
)

PeersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        help="Address of a node to join by, as it printed it; name two. None founds a swarm.",
    ),
]
PeersFileOption = Annotated[
    Path | None,
    typer.Option(
        help="File with further such addresses, one in each line. Where no peer is named, it is waited for."
    ),
]


@app.command(
    epilog="Example: `hoheit petals node --peer /ip4/192.0.2.7/tcp/8090/p2p/12D3… --layers 10:20`"
)
def node(
    peer: PeersOption = None,
    peers_file: PeersFileOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the model in Hugging Face's form, or its name on the hub (org/name), "
            "instead of SmolLM2."
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(help="Layers to serve, as 10:20. Default: those that are served worst."),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Runs a node: joins the swarm of the peers it is given, or founds one, and serves layers of the model.

    It prints the address to join it by. All sites of a swarm need the same key (`hoheit petals key`).
    """
    from hoheit.petals import launch
    from hoheit.settings import complete, load

    home, progress = find(os.environ), Progress()
    end_with_parent()
    site = complete(load(home, settings), home, ("swarm-key",))
    chosen = site.petals.node
    named = tuple(peer or chosen.initial_peers)
    given = launch.peers(peers_file, wait=not named) if peers_file else ()
    chosen = chosen.model_copy(
        update={
            "initial_peers": (*named, *given),
            "layers": layers or chosen.layers,
        }
    )
    chosen = launch.placed(chosen, model, home, site, progress)
    launch.become("node", chosen, launch.python(home, site, progress))


@app.command(epilog="Example: `hoheit petals gateway --peer /ip4/192.0.2.7/tcp/8090/p2p/12D3…`")
def gateway(
    peer: PeersOption = None,
    peers_file: PeersFileOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Directory of the model in Hugging Face's form, or its name on the hub (org/name), "
            "instead of SmolLM2."
        ),
    ] = None,
    settings: SettingsOption = None,
) -> None:
    """Runs the gateway: an OpenAI-compatible server over the swarm, for the adapter of this site.

    Words become numbers here and nowhere else; what crosses the network are hidden states.
    """
    from hoheit.petals import launch
    from hoheit.settings import complete, load

    home, progress = find(os.environ), Progress()
    end_with_parent()
    site = complete(load(home, settings), home, ("swarm-key", "petals-key"))
    chosen = site.petals.gateway
    named = tuple(peer or chosen.initial_peers)
    given = launch.peers(peers_file, wait=not named) if peers_file else ()
    chosen = chosen.model_copy(
        update={
            "initial_peers": (*named, *given),
        }
    )
    chosen = launch.placed(chosen, model, home, site, progress)
    launch.become("gateway", chosen, launch.python(home, site, progress))


@app.command(epilog="Example: `hoheit petals key > swarm-key`")
def key(settings: SettingsOption = None) -> None:
    """Prints the swarm's key, which every site of the swarm needs as its secret swarm-key."""
    from hoheit import secrets
    from hoheit.settings import load

    home = find(os.environ)
    folder = load(home, settings).secrets_dir or home.secrets
    typer.echo(secrets.read_or_make(folder, "swarm-key").get_secret_value())

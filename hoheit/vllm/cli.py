"""`hoheit vllm`: vLLM servers on this machine and on others, and what is wrong with those that run."""

import os
from pathlib import Path
from typing import Annotated

import typer

from hoheit.home import find
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

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings", help="Settings file. Default: $HOHEIT_SETTINGS, else hoheit.toml in the home."
    ),
]


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

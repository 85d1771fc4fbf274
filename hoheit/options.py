"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

SettingsOption = Annotated[
    Path | None,
    typer.Option(
        "--settings", help="Settings file. Default: $HOHEIT_SETTINGS, else hoheit.toml in the home."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

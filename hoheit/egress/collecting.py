"""Writes what stands in labelled columns of the site's databases into lists that the boundary looks for."""

import filecmp
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from backend_adapter.egress.known.forms import Kind, forms, tells_enough
from hoheit.home import make_folder
from mcp_servers.databases.columns import labelled_columns
from mcp_servers.databases.engines import Database

# For each column: this is no model's query, and reads a whole table.
_TIMEOUT_S = 600.0
_TELL_EVERY = 10_000


@dataclass
class Collected:
    """A list that was written."""

    kind: Kind
    path: Path
    columns: list[str] = field(default_factory=list)
    values: int = 0
    left_out: int = 0
    """Values with fewer than two letters or digits: they stand in every text."""
    changed: bool = False

    def add(self, text: str, column: str, file: TextIO) -> None:
        if column not in self.columns:
            self.columns.append(column)
        if not tells_enough(text) or not forms(self.kind, text):
            self.left_out += 1
            return
        self.values += 1
        file.write(text + "\n")


def collect(
    databases: Iterable[Database], folder: Path, tell: Callable[[str], None]
) -> list[Collected]:
    """Writes `folder`/KIND.txt for each kind of labelled column. Blocks: up to minutes for millions of values.

    Only this user may read the lists. They are replaced when all were read, and one in which nothing changed stays
    as it is, so that nobody reads it again. `tell` hears what is being read.

    Raises:
        LabelError: a column that the settings label does not exist.
        QueryError: a database cannot be asked.
        HoheitError: the folder cannot be made.
        OSError: a list cannot be written.
    """
    make_folder(folder, private=True)
    found: dict[Kind, Collected] = {}
    with TemporaryDirectory(dir=folder, prefix=".new-") as new, ExitStack() as opened:
        files: dict[Kind, TextIO] = {}

        def of(kind: Kind) -> Collected:
            if kind not in found:
                found[kind] = Collected(kind, folder / f"{kind}.txt")
                path = Path(new, f"{kind}.txt")
                path.touch(mode=0o600)
                files[kind] = opened.enter_context(path.open("w", encoding="utf-8"))
            return found[kind]

        for database in databases:
            for column in labelled_columns(database, _TIMEOUT_S):
                name = f"{database.name}: {column.of}"
                tell(name)
                # Also for a column that is empty: the settings may name its list.
                of(column.of.kind)
                for count, value in enumerate(column.values, start=1):
                    of(value.kind).add(value.text, name, files[value.kind])
                    if count % _TELL_EVERY == 0:
                        tell(f"{name}, {count:,} values")
        for kind, each in found.items():
            files[kind].flush()
            os.fsync(files[kind].fileno())
            each.changed = _replace(Path(files[kind].name), each.path)
    return list(found.values())


def _replace(new: Path, path: Path) -> bool:
    if path.is_file() and filecmp.cmp(new, path, shallow=False):
        return False
    new.replace(path)
    return True

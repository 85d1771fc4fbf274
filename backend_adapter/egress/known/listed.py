"""The values of one list, as they are read from it."""

import csv
from collections.abc import Iterator
from pathlib import Path

from backend_adapter.egress.known.forms import forms, tells_enough
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.errors import SettingsError


def values_of(given: DictionarySettings) -> Iterator[tuple[str, frozenset[bytes]]]:
    """The values of one list as they are read, with the keys of their forms. Raises SettingsError."""
    for line, text in _read(given):
        keys = forms(given.kind, text) if tells_enough(text) else frozenset[bytes]()
        if not keys:
            raise SettingsError(
                f"{given.path}, line {line}: a value of {len(text)} characters is no {given.kind}.",
                "Correct or remove that line: a value has two letters or digits at least, and a date is written as "
                "2024-03-05.",
            )
        yield text, keys


def _read(given: DictionarySettings) -> Iterator[tuple[int, str]]:
    path = given.path.expanduser()
    try:
        yield from _column(path, given) if path.suffix == ".csv" else _lines(path)
    except OSError as error:
        raise SettingsError(
            f"The values in {path} cannot be read: {error.strerror}.",
            "Correct adapter.egress.dictionaries, or give this user read access to the file.",
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"The values in {path} cannot be read: {_said(error)}.", "Write the file in UTF-8."
        ) from error


def _said(error: Exception) -> str:
    """What is wrong, without what stands there."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} of a part of it is no {error.encoding}"
    return str(error)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip():
                yield number, text


def _column(path: Path, given: DictionarySettings) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, dialect=_dialect(file.readline()))
        file.seek(0)
        headings = next(rows, [])
        if given.column not in headings:
            raise SettingsError(
                f"{path} has no column {given.column!r}; its columns are: {', '.join(headings)}.",
                "Name one of them as the dictionary's column.",
            )
        place = headings.index(given.column)
        for row in rows:
            if text := (row[place].strip() if place < len(row) else ""):
                yield rows.line_num, text


def _dialect(headings: str) -> type[csv.Dialect]:
    class Table(csv.excel):
        delimiter = ";" if headings.count(";") > headings.count(",") else ","

    return Table

"""Reads the values that a site has listed."""

import csv
from collections.abc import Iterator
from pathlib import Path

from backend_adapter.egress.dictionary import Value
from backend_adapter.egress.forms import forms
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.errors import SettingsError

# A word this short is in every text; who lists one has listed something else.
_SHORTEST = 2


def read_values(dictionaries: tuple[DictionarySettings, ...]) -> list[Value]:
    """All values of all lists, each once. Blocks.

    Raises SettingsError with the file and the line where one cannot be read or looked for: a list of which a part
    is missing protects nobody.
    """
    values = dict[Value, None]()
    for each in dictionaries:
        for line, text in _read(each):
            value = Value(each.kind, text)
            if len(text) < _SHORTEST or not _can_be_found(value):
                raise SettingsError(
                    f"{each.path}, line {line}: a value of {len(text)} characters is no {each.kind}.",
                    "Correct or remove that line; a date is written as 2024-03-05.",
                )
            values[value] = None
    return list(values)


def _can_be_found(value: Value) -> bool:
    found = forms(value.kind, value.text)
    # A date that is none has the one form that everything has.
    return len(found) > 1 if value.kind == "date" else bool(found)


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
            f"The values in {path} cannot be read: {error}.", "Write the file in UTF-8."
        ) from error


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if text := line.strip():
                yield number, text


def _column(path: Path, given: DictionarySettings) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, dialect=_dialect(file.readline()), fieldnames=None)
        file.seek(0)
        headings = rows.fieldnames or ()
        if given.column not in headings:
            raise SettingsError(
                f"{path} has no column {given.column!r}; its columns are: {', '.join(headings)}.",
                "Name one of them as the dictionary's column.",
            )
        for row in rows:
            if text := (row[given.column or ""] or "").strip():
                yield rows.line_num, text


def _dialect(headings: str) -> type[csv.Dialect]:
    class Table(csv.excel):
        delimiter = ";" if headings.count(";") > headings.count(",") else ","

    return Table

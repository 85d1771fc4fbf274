"""Reads the values that a site has listed."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

from backend_adapter.egress.dictionary import Dictionary, Value
from backend_adapter.egress.forms import forms
from backend_adapter.egress.settings import DictionarySettings
from backend_adapter.errors import SettingsError

# A word this short is in every text; who lists one has listed something else.
_SHORTEST = 2
# Lists of so many bytes are read and held in memory faster than a process starts that does it.
_LITTLE = 512 * 1024


def read_dictionary(
    dictionaries: tuple[DictionarySettings, ...],
    cache: Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Dictionary:
    """What finds all values of all lists, however many they are. Blocks: a minute for millions of new values.

    Long lists are made searchable once, by a process of its own, and kept in the folder `cache`, where the next
    start and other processes find them; without one, until this process ends. `report` gets lines on how far it is.
    Raises SettingsError as `read_values` does, and where the folder cannot be written to.
    """
    from backend_adapter.egress.cached import stored

    if sum(_size(each.path) for each in dictionaries) <= _LITTLE:
        return Dictionary(read_values(dictionaries))
    found = stored(dictionaries, cache, report or (lambda _: None))
    return Dictionary.indexed(found, found)


def read_values(dictionaries: tuple[DictionarySettings, ...]) -> list[Value]:
    """All values of all lists, each once. Blocks.

    Raises SettingsError with the file and the line where one cannot be read or looked for: a list of which a part
    is missing protects nobody.
    """
    values = dict[Value, None]()
    for each in dictionaries:
        for text, _ in values_of(each):
            values[Value(each.kind, text)] = None
    return list(values)


def values_of(given: DictionarySettings) -> Iterator[tuple[str, frozenset[bytes]]]:
    """The values of one list as they are read, with the keys of their forms. Raises SettingsError."""
    for line, text in _read(given):
        keys = forms(given.kind, text) if len(text) >= _SHORTEST else frozenset[bytes]()
        if not keys:
            raise SettingsError(
                f"{given.path}, line {line}: a value of {len(text)} characters is no {given.kind}.",
                "Correct or remove that line; a date is written as 2024-03-05.",
            )
        yield text, keys


def _size(path: Path) -> int:
    try:
        return path.expanduser().stat().st_size
    except OSError:
        # Whoever reads it says what is wrong with it.
        return 0


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

"""The labelled values of a query's result, each as it is shown there."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

import sqlglot
from sqlglot.errors import SqlglotError

from mcp_servers.databases.engines import Database, reading
from mcp_servers.databases.relations import UNTRACED, Kinds, Relations
from mcp_servers.databases.tracing import Outputs, Tracer, UntraceableError
from mcp_servers.labels import MAX_VALUE_CHARS, Value
from mcp_servers.settings import Kind

ELLIPSIS: Final = "…"
"""What stands at the end of a value that is not shown whole."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?!\d)")


def require_labelled(database: Database, timeout_s: float) -> None:
    """Every column that the settings label must be there.

    Raises:
        LabelError: one is not there.
        QueryError: the database cannot be asked.
    """
    if database.labels:
        with reading(database, timeout_s) as connection:
            Relations(database, connection).require_labelled()


def trace(database: Database, sql: str, timeout_s: float) -> Outputs | None:
    """The labels of what a checked statement returns; None where nothing in the database is labelled.

    Raises:
        LabelError: a column that the settings label does not exist.
        QueryError: the database cannot be asked.
    """
    if not database.labels:
        return None
    with reading(database, timeout_s) as connection:
        relations = Relations(database, connection)
        relations.require_labelled()
        try:
            tree = sqlglot.parse_one(sql, read=database.dialect)
            return Tracer(relations, database.dialect).trace(tree)
        except (UntraceableError, SqlglotError, RecursionError):
            return Outputs((), in_order=True)


def kinds_of(outputs: Outputs | None, names: Sequence[str]) -> tuple[Kind | None, ...]:
    """What each column of a result holds, None for what is not labelled; `names` are those the engine gave.

    Where the engine's columns are not the ones that were traced, all of them count as labelled.
    """
    if outputs is None:
        return (None,) * len(names)
    columns = outputs.columns
    if not outputs.in_order:
        found = [outputs.column(name) for name in names]
        return tuple(_kind(UNTRACED if each is None else each[0]) for each in found)
    as_traced = len(columns) == len(names) and all(
        not column.from_star or column.name.casefold() == name.casefold()
        for column, name in zip(columns, names, strict=True)
    )
    if not as_traced:
        return (_kind(UNTRACED),) * len(names)
    return tuple(_kind(column.kinds) for column in columns)


def _kind(kinds: Kinds) -> Kind | None:
    if not kinds:
        return None
    return next(iter(kinds)) if len(kinds) == 1 else "text"


def values(kind: Kind, value: object, shown: str) -> Iterator[Value]:
    """What is registered of one cell: the text that is shown and, where that differs, the value itself.

    What is shown cut is registered as far as it is shown.
    """
    if value is None or isinstance(value, bytes | bytearray | memoryview):
        return
    texts = dict.fromkeys((str(value).strip(), shown.removesuffix(ELLIPSIS).strip()))
    for text in texts:
        if kind == "date" and (day := _iso_date(text)):
            yield Value("date", day)
            if day == text:
                continue
        if text and len(text) <= MAX_VALUE_CHARS:
            yield Value("text" if kind == "date" else kind, text)


def _iso_date(text: str) -> str | None:
    match = _DATE.match(text)
    try:
        return date.fromisoformat(match[0]).isoformat() if match else None
    except ValueError:
        return None


def distinct(found: Iterable[Value]) -> tuple[Value, ...]:
    """Each value once, in the order of the result."""
    return tuple(dict.fromkeys(found))

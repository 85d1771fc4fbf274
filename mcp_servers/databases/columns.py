"""The values of labelled columns, for lists by which the site knows them in every text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnClause, Connection, column, select, table

from mcp_servers.databases.engines import Database, reading
from mcp_servers.databases.labelling import distinct, values
from mcp_servers.databases.relations import Labelled, Relations
from mcp_servers.databases.results import cell
from mcp_servers.errors import QueryError
from mcp_servers.labels import MAX_VALUE_CHARS, Value

_BATCH: Final = 2_000


@dataclass(frozen=True, slots=True)
class Column:
    """A labelled column; each of its values once, in an order that stays while the values do."""

    of: Labelled
    values: Iterator[Value]


def labelled_columns(database: Database, timeout_s: float) -> Iterator[Column]:
    """The labelled columns of a database, one after the other; the values of one are read while it is the turn.

    A value is written as the tools register it. `timeout_s` is for each column.

    Raises:
        LabelError: a column that the settings label does not exist.
        QueryError: the database cannot be asked, or did not answer in time.
    """
    with reading(database, timeout_s) as connection:
        columns = list(Relations(database, connection).labelled())
    for each in columns:
        yield Column(each, _values(database, each, timeout_s))


def _values(database: Database, labelled: Labelled, timeout_s: float) -> Iterator[Value]:
    try:
        with reading(database, timeout_s) as connection:
            for value in _distinct(connection, labelled):
                found = values(labelled.kind, value, cell(value, MAX_VALUE_CHARS))
                yield from distinct(Value(each.kind, " ".join(each.text.split())) for each in found)
    except QueryError as error:
        raise QueryError(
            f"The column {labelled} of {database.name} cannot be read. {error.message}",
            "No list was changed.",
        ) from None


def _distinct(connection: Connection, labelled: Labelled) -> Iterator[object]:
    wanted: ColumnClause[object] = column(labelled.column)
    found = table(labelled.table, schema=labelled.schema or None)
    statement = select(wanted).select_from(found).where(wanted.is_not(None)).distinct()
    streamed = connection.execution_options(yield_per=_BATCH)
    yield from streamed.scalars(statement.order_by(wanted))

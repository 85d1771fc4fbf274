"""Which labels the columns of the tables and views have, as the database itself describes them now.

Nothing is kept between two statements: a column that was renamed or a view that was made anew would
otherwise be looked for under its old name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlglot
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import Inspector
from sqlalchemy.exc import NoSuchTableError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mcp_servers.databases import mysql_views
from mcp_servers.databases.engines import Database
from mcp_servers.errors import LabelError
from mcp_servers.settings import Kind

Kinds = frozenset[Kind]

CLEAN: Final[Kinds] = frozenset()
UNTRACED: Final[Kinds] = frozenset({"text"})
"""What counts for a value whose origin nobody can tell."""

# Other names of a row's number, or of the INTEGER PRIMARY KEY that stands for it.
_ROW_NUMBERS: Final = ("rowid", "oid", "_rowid_")
# A full-text table that keeps the text itself; others show what stands in another table.
_OWN_TEXT: Final = re.compile(
    r"using\s+(?:fts[345])\b(?!.*\bcontent\s*=)", re.IGNORECASE | re.DOTALL
)

# Where servers describe themselves.
_OF_THE_ENGINE: Final = re.compile(
    r"(?:information_schema|performance_schema|pg_.*|mysql|sys)$", re.IGNORECASE
)

_RELATIVES: Final = text(
    "WITH RECURSIVE up (id) AS (SELECT CAST(to_regclass(:name) AS oid)"
    " UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.id),"
    " down (id) AS (SELECT CAST(to_regclass(:name) AS oid)"
    " UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN down ON i.inhparent = down.id)"
    " SELECT n.nspname, c.relname FROM (SELECT id FROM up UNION SELECT id FROM down) AS r"
    " JOIN pg_catalog.pg_class c ON c.oid = r.id"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view: the columns that `*` stands for, in order, with their labels.

    `hidden` are those that only their name gives. The columns of a view have the labels of what its
    `query` returns, where the settings give them none; without a `query` it cannot be read.
    """

    columns: tuple[tuple[str, Kinds], ...]
    hidden: tuple[tuple[str, Kinds], ...] = ()
    is_view: bool = False
    query: exp.Expr | None = None


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled column as the database spells it; without a `schema` it is in the default one."""

    schema: str
    table: str
    column: str
    kind: Kind

    def __str__(self) -> str:
        return ".".join(part for part in (self.schema, self.table, self.column) if part)


class Relations:
    """The relations of a database behind an open connection, looked up as a statement names them."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._dialect = database.dialect
        self._connection = connection
        self._inspector: Inspector = inspect(connection)
        self._labels = [_Label(*_parts(name), kind) for name, kind in database.labels.items()]
        self._found: dict[tuple[str, str], Relation | None] = {}

    def require_labelled(self) -> None:
        """Every column that the settings label must be there: another name would protect nobody.

        Raises:
            LabelError: one is not there.
        """
        for label in self._labels:
            if self._labelled(label, label.schema) is None:
                raise _missing(label)

    def labelled(self) -> Iterator[Labelled]:
        """The columns that the settings label, where they are; one without a schema may be in several.

        Raises:
            LabelError: one is nowhere.
        """
        for label in self._labels:
            schemas = [label.schema] if label.schema else self._schemas()
            found = [each for name in schemas if (each := self._labelled(label, name))]
            if not found:
                raise _missing(label)
            yield from found

    def _schemas(self) -> list[str]:
        if self._dialect == "sqlite":
            return [""]
        there = self._inspector.get_schema_names()
        return [name for name in there if not _OF_THE_ENGINE.match(name)]

    def _labelled(self, label: "_Label", schema: str) -> Labelled | None:
        schema = "" if self._dialect == "sqlite" else schema
        table = self._real_name(schema, label.table)
        for column in self._columns(schema, table) or []:
            if column["name"].casefold() == label.column.casefold():
                return Labelled(schema, table, column["name"], label.kind)
        return None

    def get(self, schema: str, name: str) -> Relation | None:
        """The relation of that name, capitals aside; None if the database describes none."""
        key = (schema, name)
        if key not in self._found:
            self._found[key] = self._look_up(schema, name)
        return self._found[key]

    def _look_up(self, schema: str, name: str) -> Relation | None:
        schema = "" if self._dialect == "sqlite" else schema
        name = self._real_name(schema, name)
        columns = self._columns(schema, name)
        # SQLite keeps samples of what it has indexed in tables of its own.
        if not columns or (self._dialect == "sqlite" and name.casefold().startswith("sqlite_")):
            return None
        if name.casefold() in {view.casefold() for view in self._views(schema)}:
            return self._view(schema, name, columns)
        labels = self._labels_of(schema, name)
        sqlite_kind, statement = self._sqlite_kind(name)
        if sqlite_kind == "shadow" or (
            sqlite_kind == "virtual" and not _OWN_TEXT.search(statement)
        ):
            labels = {"*": UNTRACED, **labels}
        shown = tuple((column["name"], _kinds(column, labels)) for column in columns)
        hidden: tuple[tuple[str, Kinds], ...] = ()
        if sqlite_kind == "table":
            keys = [column for column in columns if column.get("primary_key")]
            number = _kinds(keys[0], labels) if len(keys) == 1 else CLEAN
            hidden = tuple((each, number) for each in _ROW_NUMBERS)
        return Relation(shown, hidden)

    def _view(self, schema: str, name: str, columns: list[dict[str, Any]]) -> Relation:
        if self._dialect == "mysql":
            definition = mysql_views.definition(self._connection, schema, name)
        else:
            definition = self._inspector.get_view_definition(name, schema or None) or ""
        labels = self._labels_of(schema, name)
        names = tuple(
            (column["name"], labels.get(column["name"].casefold(), CLEAN)) for column in columns
        )
        try:
            query = sqlglot.parse_one(definition.rstrip().rstrip(";"), read=self._dialect)
        except (SqlglotError, RecursionError):
            return Relation(names, is_view=True)
        if isinstance(query, exp.Create):
            query = query.expression
        return Relation(names, is_view=True, query=query)

    def _columns(self, schema: str, name: str) -> list[dict[str, Any]] | None:
        if self._dialect == "mysql" and name in self._views(schema):
            return mysql_views.columns(self._connection, schema, name)
        try:
            return [dict(column) for column in self._inspector.get_columns(name, schema or None)]
        except NoSuchTableError:
            return None

    def _views(self, schema: str) -> Iterator[str]:
        yield from self._inspector.get_view_names(schema or None)
        if self._dialect == "postgres":
            yield from self._inspector.get_materialized_view_names(schema or None)

    def _real_name(self, schema: str, name: str) -> str:
        """As the database spells it, for engines to which capitals mean nothing."""
        there = [*self._inspector.get_table_names(schema or None), *self._views(schema)]
        if name in there:
            return name
        return next((each for each in there if each.casefold() == name.casefold()), name)

    def _labels_of(self, schema: str, name: str) -> Mapping[str, Kinds]:
        """Labels by column; a table holds the rows of its partitions and children, and they hold its own."""
        tables = {(schema.casefold(), name.casefold())}
        if self._dialect == "postgres":
            quote = self._connection.dialect.identifier_preparer.quote
            full = ".".join(quote(part) for part in (schema, name) if part)
            rows = self._connection.execute(_RELATIVES, {"name": full})
            tables |= {(str(row[0]).casefold(), str(row[1]).casefold()) for row in rows}
        found: dict[str, Kinds] = {}
        for label in self._labels:
            if any(label.is_of(*table) for table in tables):
                column = label.column.casefold()
                found[column] = found.get(column, CLEAN) | {label.kind}
        return found

    def _sqlite_kind(self, name: str) -> tuple[str, str]:
        """`table`, `virtual`, `shadow` or nothing for another engine, and the statement that made it."""
        if self._dialect != "sqlite":
            return "", ""
        kinds = self._connection.execute(
            text("SELECT type, wr FROM pragma_table_list WHERE name = :name COLLATE NOCASE"),
            {"name": name},
        ).all()
        made = self._connection.execute(
            text("SELECT sql FROM sqlite_schema WHERE name = :name COLLATE NOCASE"), {"name": name}
        ).scalar()
        kind, without_rowid = (str(kinds[0][0]), bool(kinds[0][1])) if kinds else ("", False)
        return ("" if kind == "table" and without_rowid else kind), str(made or "")


@dataclass(frozen=True, slots=True)
class _Label:
    schema: str
    table: str
    column: str
    kind: Kind

    @property
    def written(self) -> str:
        return ".".join(part for part in (self.schema, self.table, self.column) if part)

    def is_of(self, schema: str, table: str) -> bool:
        """Where either leaves the schema open, the name of the table decides."""
        same_schema = not schema or not self.schema or schema == self.schema.casefold()
        return same_schema and table == self.table.casefold()


def _missing(label: _Label) -> LabelError:
    return LabelError(
        f"The settings label the column {label.written!r}, which does not exist, so nothing is "
        "returned from this database.",
        "Correct the labels of the database in the settings of this server.",
    )


def _parts(name: str) -> tuple[str, str, str]:
    *schema, table, column = name.split(".")
    return (schema[0] if schema else ""), table, column


def _kinds(column: Mapping[str, Any], labels: Mapping[str, Kinds]) -> Kinds:
    own = labels.get(str(column["name"]).casefold())
    if own is not None:
        return own
    # What is computed from the other columns of its row may be made of labelled ones.
    return UNTRACED if labels and column.get("computed") else labels.get("*", CLEAN)

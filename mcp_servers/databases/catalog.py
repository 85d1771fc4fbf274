"""What a database holds: tables, columns, keys and comments, in few words."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import Inspector
from sqlalchemy.exc import SQLAlchemyError

from mcp_servers.databases import mysql_views
from mcp_servers.databases.engines import Database, reading
from mcp_servers.errors import AccessError, QueryError

_COUNT_TIMEOUT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `refers_to` is `table.column` where it is a foreign key."""

    name: str
    type: str
    key: bool
    required: bool
    refers_to: str
    comment: str

    def brief(self) -> str:
        """The column in a table's signature."""
        return " ".join(
            word
            for word in (
                self.name,
                self.type,
                "pk" if self.key else "",
                f"-> {self.refers_to}" if self.refers_to else "",
            )
            if word
        )

    def full(self) -> str:
        """The column on a line of its own."""
        required = " not null" if self.required and not self.key else ""
        return self.brief() + required + (f"  -- {self.comment}" if self.comment else "")


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; `rows` is an estimate on servers, None where it is not known."""

    name: str
    is_view: bool
    columns: tuple[Column, ...]
    comment: str
    rows: int | None

    def size(self) -> str:
        """How many rows, in words."""
        if self.is_view:
            return "view"
        return "" if self.rows is None else f"{self.rows} rows"

    def brief(self) -> str:
        """The table on one line."""
        columns = ", ".join(column.brief() for column in self.columns)
        return f"{self.name}({columns})  {self.size()}".rstrip()


def names(database: Database, timeout_s: float) -> list[str]:
    """Names of all tables and views, sorted.

    Raises:
        QueryError: the database cannot be asked.
    """
    with reading(database, timeout_s) as connection:
        return _names(connection, inspect(connection))


def _names(connection: Connection, inspector: Inspector) -> list[str]:
    found = {*inspector.get_table_names(), *inspector.get_view_names()}
    if connection.dialect.name == "sqlite":
        # What a full-text table keeps its index in is of no use to a reader.
        rows = connection.exec_driver_sql("PRAGMA table_list")
        found -= {str(row[1]) for row in rows if row[2] == "shadow"}
    return sorted(found)


def tables(database: Database, timeout_s: float, only: str = "") -> list[Table]:
    """The tables and views with their columns, or only one of them.

    Raises:
        AccessError: there is no table of that name.
        QueryError: the database cannot be asked.
    """
    with reading(database, timeout_s) as connection:
        inspector = inspect(connection)
        views = set(inspector.get_view_names())
        there = _names(connection, inspector)
        wanted = there
        if only:
            wanted = [name for name in there if name.casefold() == only.casefold()]
            if not wanted:
                raise AccessError(
                    f"The database {database.name} has no table {only[:60]!r}.",
                    f"Tables: {', '.join(there[:100])}.",
                )
        described = list[tuple[str, tuple[Column, ...], str]]()
        for name in wanted:
            if database.dialect == "mysql" and name in views:
                columns = _columns(mysql_views.columns(connection, "", name), frozenset(), {})
                described.append((name, columns, ""))
            else:
                columns = _columns(inspector.get_columns(name), *_keys(inspector, name))
                described.append((name, columns, _comment(inspector, name)))
    counts = _counts(database, [name for name in wanted if name not in views])
    return [
        Table(name, name in views, columns, comment, counts.get(name))
        for name, columns, comment in described
    ]


def _keys(inspector: Inspector, table: str) -> tuple[Set[str], Mapping[str, str]]:
    """The columns of the primary key, and what foreign keys refer to."""
    keys = set(inspector.get_pk_constraint(table).get("constrained_columns") or ())
    refers: dict[str, str] = {}
    for foreign in inspector.get_foreign_keys(table):
        targets = foreign.get("referred_columns") or ["?"] * len(foreign["constrained_columns"])
        for column, target in zip(foreign["constrained_columns"], targets, strict=False):
            refers[column] = f"{foreign['referred_table']}.{target}"
    return keys, refers


def _columns(
    found: Iterable[Mapping[str, Any]], keys: Set[str], refers: Mapping[str, str]
) -> tuple[Column, ...]:
    return tuple(
        Column(
            column["name"],
            str(column["type"]),
            column["name"] in keys,
            not column.get("nullable", True),
            refers.get(column["name"], ""),
            " ".join(str(column.get("comment") or "").split())[:200],
        )
        for column in found
    )


def _comment(inspector: Inspector, table: str) -> str:
    with contextlib.suppress(NotImplementedError, SQLAlchemyError):
        return " ".join(str(inspector.get_table_comment(table).get("text") or "").split())[:300]
    return ""


def _counts(database: Database, wanted: Sequence[str]) -> dict[str, int]:
    """Rows of each table as far as they are known soon: a server's estimates, SQLite's counts."""
    counts: dict[str, int] = {}
    with contextlib.suppress(QueryError), reading(database, _COUNT_TIMEOUT_S) as connection:
        if database.dialect == "sqlite":
            for name in wanted:
                quoted = connection.dialect.identifier_preparer.quote(name)
                counts[name] = _number(connection, f"SELECT count(*) FROM {quoted}")  # noqa: S608
        else:
            for name, rows in connection.execute(text(_ESTIMATES[database.dialect])):
                if rows is not None and rows >= 0:
                    counts[str(name)] = int(rows)
    return counts


def _number(connection: Connection, sql: str) -> int:
    return int(connection.exec_driver_sql(sql).scalar_one())


_ESTIMATES: Final = {
    "postgres": "SELECT relname, reltuples::bigint FROM pg_catalog.pg_class "
    "WHERE relkind IN ('r', 'p') AND pg_catalog.pg_table_is_visible(oid)",
    "mysql": "SELECT table_name, table_rows FROM information_schema.tables "
    "WHERE table_schema = DATABASE()",
}


def by_name(databases: dict[str, Database], name: str) -> Database:
    """The database of that name; capitals do not matter.

    Raises:
        AccessError: there is none.
    """
    wanted = name.strip().casefold()
    for database in databases.values():
        if database.name.casefold() == wanted:
            return database
    there = ", ".join(databases) or "none are configured"
    raise AccessError(f"There is no database {name[:60]!r}.", f"Databases: {there}.")

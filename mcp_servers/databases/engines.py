"""Connections that can only read, and statements that end in time.

What each engine is told besides the statement guard:

- SQLite: the file is opened with mode=ro, query_only is on, an authorizer allows reading and
  listed functions only, limits bound the size of values, and a progress handler ends the query.
- PostgreSQL: the transaction is read-only and has a statement timeout.
- MySQL and MariaDB: the session's transactions are read-only and have an execution limit. Their
  DDL would commit such a transaction first; the guard never lets DDL through, and the role the
  site gives this server should not be able to run it.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from mcp_servers.databases.functions import SQLITE
from mcp_servers.databases.rendering import Dialect
from mcp_servers.databases.settings import DatabaseSettings
from mcp_servers.errors import QueryError, SettingsError
from mcp_servers.settings import DataClass, Kind

_DIALECTS: Final[dict[str, Dialect]] = {
    "sqlite": "sqlite",
    "postgresql": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_NAMES: Final = {"sqlite": "SQLite", "postgres": "PostgreSQL", "mysql": "MySQL"}

_MAX_VALUE_BYTES: Final = 4 * 1024 * 1024
_STEPS_BETWEEN_LOOKS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Database:
    """A served database."""

    name: str
    data_class: DataClass
    dialect: Dialect
    engine: Engine
    labels: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The engine's name, for people and models."""
        return _NAMES[self.dialect]

    @property
    def protected(self) -> bool:
        """Whether something in it must not leave the site as it is."""
        return bool(self.labels) or self.data_class in ("confidential", "secret")


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query returned: at most as many rows as asked for; `more` if there were others."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: bool


def open_database(settings: DatabaseSettings) -> Database:
    """Prepare a database; nothing is connected yet.

    Raises:
        SettingsError: the address is malformed, its engine or driver unknown, or a file missing.
    """
    place = f"databases.databases {settings.name!r}"
    try:
        url = make_url(settings.url.get_secret_value())
        dialect = _DIALECTS.get(url.get_backend_name())
        if dialect is None:
            raise SettingsError(
                f"{place} is of a kind that is not supported: {url.get_backend_name()}.",
                f"Supported: {', '.join(_DIALECTS)}.",
            )
        engine = _sqlite(url, place) if dialect == "sqlite" else _server(url)
    except ArgumentError:
        # The malformed text may hold a password, so it is not shown.
        raise SettingsError(
            f"The url of {place} is malformed.", "Write dialect://user:password@host/name."
        ) from None
    except (NoSuchModuleError, ImportError) as error:
        raise SettingsError(
            f"The driver for {place} is not installed: {error}.", "Install it with pip."
        ) from None
    return Database(settings.name, settings.data_class, dialect, engine, settings.labels)


def _sqlite(url: URL, place: str) -> Engine:
    path = Path(url.database or "").absolute()
    if not url.database or url.database == ":memory:" or not path.is_file():
        raise SettingsError(
            f"The file of {place} does not exist: {url.database}.",
            "Write sqlite:/// and the path; an absolute path makes four slashes.",
        )
    address = f"{path.as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, check_same_thread=False, timeout=5)

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def harden(raw: Any, _record: object) -> None:
        raw.execute("PRAGMA query_only = ON")
        raw.execute("PRAGMA trusted_schema = OFF")
        raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        raw.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000)
        raw.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)

    return engine


def _server(url: URL) -> Engine:
    return create_engine(url, pool_size=2, max_overflow=4, pool_pre_ping=True, pool_timeout=5)


def preparation(dialect: Dialect, mariadb: bool, timeout_s: float) -> tuple[str, ...]:
    """Statements that make a server's connection read-only and its statements end in time.

    They also fix how the server reads a backslash and a quote in a literal: as the guard does.
    """
    milliseconds = round(timeout_s * 1000)
    if dialect == "postgres":
        return (
            "SET TRANSACTION READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
            "SET LOCAL standard_conforming_strings = on",
        )
    if mariadb:
        limit = f"SET SESSION max_statement_time = {timeout_s:g}"
    else:
        limit = f"SET SESSION max_execution_time = {milliseconds}"
    # TRADITIONAL has neither ANSI_QUOTES nor NO_BACKSLASH_ESCAPES.
    return ("SET SESSION TRANSACTION READ ONLY", limit, "SET SESSION sql_mode = 'TRADITIONAL'")


@contextmanager
def reading(database: Database, timeout_s: float) -> Iterator[Connection]:
    """A read-only connection. Nothing it does is ever committed.

    Raises:
        QueryError: the database cannot be reached, or refused or could not finish a statement.
    """
    deadline = time.monotonic() + timeout_s
    connected = False
    try:
        with database.engine.connect() as connection:
            connected = True
            if database.dialect == "sqlite":
                raw: Any = connection.connection.driver_connection
                raw.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
            else:
                mariadb = bool(getattr(connection.dialect, "is_mariadb", False))
                for statement in preparation(database.dialect, mariadb, timeout_s):
                    connection.exec_driver_sql(statement)
            yield connection
            connection.rollback()
    except SQLAlchemyError as error:
        if not connected:
            # A driver's own text for this names host and user.
            raise QueryError(
                f"The database {database.name} cannot be reached.", "Try again later."
            ) from None
        cause = error.orig if isinstance(error, DBAPIError) else None
        if time.monotonic() > deadline:
            raise QueryError(
                f"The query took longer than {timeout_s:g} seconds and was stopped.",
                "Narrow it with WHERE or LIMIT.",
            ) from None
        raise QueryError(_engine_says(database, cause or error)) from None


def _engine_says(database: Database, cause: BaseException) -> str:
    """Why the engine refused a statement.

    An engine quotes the value that it could not convert or compare, and it is labelled nowhere: of a
    database that holds protected data only the kind of the error is told.
    """
    if database.protected:
        kind = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
        # MySQL's drivers have few kinds of errors, and a number for each.
        if database.dialect == "mysql" and cause.args and isinstance(cause.args[0], int):
            kind = f"{kind} {cause.args[0]}"
        return f"{database.label} refuses the statement ({kind})."
    text = " ".join(str(cause).split())[:500] if not isinstance(cause, SQLAlchemyError) else ""
    return f"{database.label} says: {(text or type(cause).__name__).rstrip('.')}."


def fetch(database: Database, sql: str, max_rows: int, timeout_s: float) -> Rows:
    """Run a checked statement. One row more than wanted is fetched to see whether there are more.

    Raises:
        QueryError: the engine refused it, or it took too long.
    """
    with reading(database, timeout_s) as connection:
        if database.dialect == "sqlite":
            raw: Any = connection.connection.driver_connection
            _load_virtual_tables(raw)
            raw.set_authorizer(authorize)
        # Without parameters a driver leaves % and : in the text alone.
        options = {"no_parameters": True, "stream_results": database.dialect != "sqlite"}
        result = connection.execution_options(**options).exec_driver_sql(sql)
        rows = result.fetchmany(max_rows + 1)
        columns = tuple(result.keys())
        result.close()
    return Rows(columns, tuple(tuple(row) for row in rows[:max_rows]), len(rows) > max_rows)


def _load_virtual_tables(raw: sqlite3.Connection) -> None:
    """Let SQLite set up the full-text tables and JSON functions of a connection.

    It declares them with a CREATE TABLE of its own on first use, which the authorizer would deny.
    """
    rows = raw.execute("SELECT name FROM pragma_table_list WHERE type = 'virtual'").fetchall()
    quoted = ['"' + str(name).replace('"', '""') + '"' for (name,) in rows]
    for table in (*quoted, "json_each('[]')", "json_tree('[]')"):
        # One whose module is missing fails here, and again if the query uses it.
        with suppress(sqlite3.Error):
            raw.execute(f"SELECT 1 FROM {table} LIMIT 0")  # noqa: S608


def authorize(
    action: int, first: str | None, second: str | None, _schema: str | None, _source: str | None
) -> int:
    """SQLite's authorizer: what a statement may do, asked while it is compiled.

    `regexp` is not among the functions: SQLAlchemy lends SQLite Python's regular expressions,
    and one of those can run for ever where nothing can stop it.
    """
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in SQLITE:
        return sqlite3.SQLITE_OK
    # Full-text tables ask themselves with this whether their file has changed.
    if action == sqlite3.SQLITE_PRAGMA and (first or "").lower() == "data_version" and not second:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY

"""The adapter's own database: SQLite for one machine, PostgreSQL where several adapters share it.

Whoever keeps something declares its tables on `METADATA` and reads and writes through `execute`, one
statement at a time, each a transaction of its own. What must be stored together, or must survive a power cut,
goes through `transaction`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Executable, MetaData, Row, event, inspect, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateIndex, CreateTable

from backend_adapter.errors import DatabaseError, SettingsError

METADATA = MetaData()

# Longest wait for one statement with its connection, and for a lock that another process holds, in seconds.
_STATEMENT_TIMEOUT_S = 5.0
_LOCK_TIMEOUT_S = 2
# Connections of one process.
_POOL_SIZE = 8
# Any number that no other program on the same PostgreSQL locks: two processes must not create tables at once.
_SCHEMA_LOCK = 0x486F68656974


@asynccontextmanager
async def open_database(url: SecretStr) -> AsyncIterator[AsyncEngine]:
    """The database at `url` (an `adapter.database_url`) until the block ends; connects at first use.

    Raises SettingsError for an address that cannot be one.
    """
    engine = _engine(url.get_secret_value())
    try:
        yield engine
    finally:
        await engine.dispose()


def _engine(url: str) -> AsyncEngine:
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "pool_timeout": _STATEMENT_TIMEOUT_S,
        "hide_parameters": True,
    }
    if url.startswith("sqlite"):
        # SQLite writes one at a time anyway, so that more connections would only wait for each other.
        options |= {"pool_size": 1, "max_overflow": 0, "connect_args": {"timeout": _LOCK_TIMEOUT_S}}
    else:
        # A process that stands still in the middle of a transaction must not keep the others waiting.
        session = (
            f"-c statement_timeout={_LOCK_TIMEOUT_S}s -c timezone=UTC "
            f"-c idle_in_transaction_session_timeout={_STATEMENT_TIMEOUT_S:.0f}s"
        )
        options |= {
            "pool_size": _POOL_SIZE,
            "max_overflow": 0,
            "pool_pre_ping": True,  # a restarted server is noticed before a statement is lost on it
            "connect_args": {"connect_timeout": _LOCK_TIMEOUT_S, "options": session},
        }
    try:
        engine = create_async_engine(url, **options)
    except (ArgumentError, ImportError) as error:
        raise SettingsError(
            f"adapter.database_url cannot be used: {_told(error)}.",
            "Correct it in hoheit.toml; for PostgreSQL install hoheit[postgres].",
        ) from None
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            _make_folder(Path(engine.url.database).parent)
        event.listen(engine.sync_engine, "connect", _readers_beside_a_writer)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder {folder} of adapter.database_url cannot be created: {error.strerror}.",
            "Name a file in a folder that the adapter may write.",
        ) from None


def _readers_beside_a_writer(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # Kept in the file; in this mode a commit that a power cut undoes costs a count, never the file.
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


async def create_tables(engine: AsyncEngine) -> None:
    """Create the tables of `METADATA` that are missing, with their indexes. Raises DatabaseError."""
    wanted: list[CreateTable | CreateIndex] = []
    for table in METADATA.sorted_tables:
        wanted.append(CreateTable(table, if_not_exists=True))
        wanted += [
            CreateIndex(index, if_not_exists=True) for index in sorted(table.indexes, key=str)
        ]
    for create in wanted:
        if engine.dialect.name == "sqlite":
            await execute(engine, create)
        else:
            # Two at once can both find it missing, and PostgreSQL then refuses one of them.
            ddl = str(create.compile(dialect=engine.dialect)).strip()
            block = f"PERFORM pg_advisory_xact_lock({_SCHEMA_LOCK}); {ddl};"
            await execute(engine, text(f"DO $tables$ BEGIN {block} END $tables$"))


async def execute(engine: AsyncEngine, statement: Executable) -> Sequence[Row[Any]]:
    """Run one statement and return its rows, none where it has none.

    Raises DatabaseError where the database refuses it or does not answer within five seconds.
    """
    try:
        async with asyncio.timeout(_STATEMENT_TIMEOUT_S), engine.connect() as connection:
            result = await connection.execute(statement)
            return result.all() if result.returns_rows else ()
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error


@asynccontextmanager
async def transaction(engine: AsyncEngine, lock: int) -> AsyncIterator[AsyncConnection]:
    """Statements that are stored together when the block ends, or not at all where it raises.

    Whoever begins one with the same `lock` (any number) waits until this one is over, whichever process it is
    in. What is stored survives a power cut; on PostgreSQL unless its own settings say otherwise.

    Raises DatabaseError where the database refuses it or does not answer within five seconds all in all; its
    cause is what the driver said. Where the very end went unanswered, it may have been stored all the same.
    """
    try:
        async with asyncio.timeout(_STATEMENT_TIMEOUT_S), engine.connect() as connection:
            try:
                await _begin(connection, lock)
                yield connection
                await connection.exec_driver_sql("COMMIT")
                if engine.dialect.name == "sqlite":
                    await connection.exec_driver_sql("PRAGMA synchronous = NORMAL")
            except BaseException:
                # Closed rather than rolled back: nobody can tell in which state it is.
                await connection.invalidate()
                raise
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error


async def _begin(connection: AsyncConnection, lock: int) -> None:
    """The connection commits by itself after each statement, so that this is said in SQL."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("PRAGMA synchronous = FULL")
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        await connection.exec_driver_sql(f"BEGIN; SELECT pg_advisory_xact_lock({lock:d})")


async def has_table(engine: AsyncEngine, name: str) -> bool:
    """Whether there is a table of this name. Raises DatabaseError."""

    def look(connection: Connection) -> bool:
        return inspect(connection).has_table(name)

    try:
        async with asyncio.timeout(_STATEMENT_TIMEOUT_S), engine.connect() as connection:
            return await connection.run_sync(look)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> DatabaseError:
    return DatabaseError(
        f"The adapter's database does not answer: {_told(error)}.",
        "See that the server of adapter.database_url runs, or that its file can be written.",
        code="database_unavailable",
    )


def _told(error: Exception) -> str:
    """The first line of what the driver says; the statement and its values are left out."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(cause).__name__

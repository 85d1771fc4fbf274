"""What somebody does to a database of receipts without the store, who has the database's own tools."""

import sqlite3
from contextlib import AbstractContextManager, closing

import psycopg
from sqlalchemy import text

from backend_adapter.database import execute
from backend_adapter.egress.receipts import store
from backend_adapter.egress.receipts.store import Receipts
from tests.databases import locked


async def receipts_body(receipts: Receipts, seq: int) -> bytes:
    """The stored body whatever its age: the samples' time is fixed."""
    rows = await execute(
        receipts._engine,
        text("SELECT body FROM receipt_bodies WHERE seq = :seq").bindparams(seq=seq),
    )
    return bytes(rows[0].body)


def by_hand(url: str, statement: str) -> None:
    """As somebody does who has the database's own tools."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite+aiosqlite:///"))) as connection:
            connection.execute(statement)
            connection.commit()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute(statement.encode())


def without_triggers(url: str) -> None:
    drop: dict[bool, list[str]] = {
        True: [f"DROP TRIGGER receipts_no_{name}" for name in ("update", "delete", "replace")],
        False: ["ALTER TABLE receipts DISABLE TRIGGER ALL"],
    }
    for statement in drop[url.startswith("sqlite")]:
        by_hand(url, statement)


def appending(url: str) -> AbstractContextManager[None]:
    """Somebody else is in the middle of appending."""
    return locked(url, f"SELECT pg_advisory_xact_lock({store._CHAIN_LOCK})")

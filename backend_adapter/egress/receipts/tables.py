"""The two tables, and the triggers that let nothing but appending happen to the receipts."""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import METADATA, create_tables, execute

# In SQLite the only type whose column is sure to hold whole numbers as a primary key.
_SEQ = BigInteger().with_variant(Integer, "sqlite")

RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("time", String, nullable=False),
    Column("user", String, nullable=False),
    Column("client", String, nullable=False),
    Column("chat", String, nullable=False),
    Column("message", String, nullable=False),
    Column("task", String, nullable=False),
    Column("model", String, nullable=False),
    Column("destination", String, nullable=False),
    Column("site", String, nullable=False),
    Column("trust", String, nullable=False),
    Column("action", String, nullable=False),
    Column("policy", String, nullable=False),
    Column("data_class", String, nullable=False),
    Column("passages", String, nullable=False),
    Column("counts", String, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("body_sha256", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)
BODIES = Table(
    "receipt_bodies",
    METADATA,
    Column("seq", _SEQ, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
    # Those that stand in it, as a JSON list, so that it can be shown which they are.
    Column("pseudonyms", String, nullable=False),
    Column("kept_until", String, nullable=False),
)
_INDEXES = (
    "receipts_of_chat ON receipts (chat, seq)",
    "receipts_by_time ON receipts (time)",
    "receipt_bodies_by_end ON receipt_bodies (kept_until)",
)

_REFUSED = "receipts are appended only"
# REPLACE would take a row's place without any trigger for deleting it, hence the third.
_SQLITE = tuple(
    f"CREATE TRIGGER IF NOT EXISTS receipts_no_{name} BEFORE {event} ON receipts {when} "
    f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
    for name, event, when in (
        ("update", "UPDATE", ""),
        ("delete", "DELETE", ""),
        ("replace", "INSERT", "WHEN EXISTS (SELECT 1 FROM receipts WHERE seq = NEW.seq)"),
    )
)
# In one block under a lock (any number), because two processes at once can both find something missing.
# The triggers are made last: where they are, the rest is.
_POSTGRESQL = f"""DO $receipts$ BEGIN
PERFORM pg_advisory_xact_lock(5215575678291665233);
IF NOT EXISTS (
    SELECT 1 FROM pg_trigger WHERE tgrelid = 'receipts'::regclass AND tgname = 'receipts_no_truncate'
) THEN
    {" ".join(f"CREATE INDEX IF NOT EXISTS {index};" for index in _INDEXES)}
    CREATE OR REPLACE FUNCTION receipts_appended_only() RETURNS trigger LANGUAGE plpgsql AS
    $refuse$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $refuse$;
    CREATE TRIGGER receipts_no_change BEFORE UPDATE OR DELETE ON receipts
        FOR EACH ROW EXECUTE FUNCTION receipts_appended_only();
    CREATE TRIGGER receipts_no_truncate BEFORE TRUNCATE ON receipts
        FOR EACH STATEMENT EXECUTE FUNCTION receipts_appended_only();
END IF;
END $receipts$"""  # noqa: S608 - of constants


async def create(engine: AsyncEngine) -> None:
    """Create what is missing of tables, indexes and triggers. Raises DatabaseError."""
    await create_tables(engine)
    if engine.dialect.name == "sqlite":
        for index in _INDEXES:
            await execute(engine, text(f"CREATE INDEX IF NOT EXISTS {index}"))
        for trigger in _SQLITE:
            await execute(engine, text(trigger))
    else:
        await execute(engine, text(_POSTGRESQL))

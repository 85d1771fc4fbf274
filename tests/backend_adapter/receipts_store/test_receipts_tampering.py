"""What was appended is not changed: the databases refuse it, and the chain shows what they cannot."""

import sqlite3
from datetime import UTC, datetime

import psycopg
import pytest
from receipt_databases import by_hand, without_triggers
from receipt_samples import BODY, made

from backend_adapter.egress.receipts.chain import BrokenChainError, verify
from backend_adapter.egress.receipts.store import Receipts
from backend_adapter.errors import DatabaseError

CHANGES = {
    "update": "UPDATE receipts SET policy = 'policy.yaml:1' WHERE seq = 2",
    "delete": "DELETE FROM receipts WHERE seq = 2",
    "delete all": "DELETE FROM receipts",
    "same number": "INSERT INTO receipts SELECT * FROM receipts WHERE seq = 2",
}


@pytest.mark.parametrize("change", [*CHANGES, "replace", "upsert", "truncate"])
async def test_the_database_itself_refuses_every_change_of_a_receipt(
    receipts: Receipts, url: str, change: str
):
    await receipts.append(made(), BODY)
    await receipts.append(made(), BODY)
    sqlite = url.startswith("sqlite")
    own = {
        "replace": "INSERT OR REPLACE INTO receipts SELECT * FROM receipts WHERE seq = 2",
        "truncate": "TRUNCATE receipts",
        "upsert": "INSERT INTO receipts SELECT * FROM receipts WHERE seq = 2"
        + (" AND true" if sqlite else "")
        + " ON CONFLICT (seq) DO UPDATE SET policy = 'x'",
    }
    if (change, sqlite) in (("replace", False), ("truncate", True)):
        # The statement of the other kind of database, which has no such one.
        change = "delete all"
    statement = {**CHANGES, **own}[change]
    before = [link async for link in receipts.rows()]
    with pytest.raises((sqlite3.Error, psycopg.Error)) as refused:
        by_hand(url, statement)
    assert "appended only" in str(refused.value) or change == "same number"
    assert [link async for link in receipts.rows()] == before


@pytest.mark.parametrize(
    ("statement", "seq", "fault"),
    [
        ("UPDATE receipts SET \"user\" = 'x' WHERE seq = 3", 3, "changed"),
        ("UPDATE receipts SET counts = '{}' WHERE seq = 5", 5, "changed"),
        ("UPDATE receipts SET bytes = bytes + 1 WHERE seq = 1", 1, "changed"),
        ("UPDATE receipts SET hash = previous WHERE seq = 2", 2, "changed"),
        ("DELETE FROM receipts WHERE seq = 1", 1, "missing"),
        ("DELETE FROM receipts WHERE seq = 4", 4, "missing"),
        ("DELETE FROM receipts WHERE seq >= 5", 5, "missing"),
        ("UPDATE receipts SET seq = -1 WHERE seq = 4", -1, "out of order"),
        ("UPDATE receipts SET seq = 99 WHERE seq = 6", 6, "missing"),
    ],
)
async def test_what_is_changed_without_the_triggers_is_found(
    receipts: Receipts, url: str, statement: str, seq: int, fault: str
):
    for _ in range(6):
        await receipts.append(made(), BODY)
    links = [link async for link in receipts.rows()]
    without_triggers(url)
    by_hand(url, statement)
    with pytest.raises(BrokenChainError) as found:
        verify([link async for link in receipts.rows()], (6, links[-1].hash))
    assert (found.value.seq, found.value.fault) == (seq, fault)


async def test_after_a_change_the_chain_goes_on_and_still_shows_it(receipts: Receipts, url: str):
    await receipts.append(made(), BODY)
    without_triggers(url)
    by_hand(url, "UPDATE receipts SET model = 'other'")
    assert await receipts.append(made(), BODY) == 2
    with pytest.raises(BrokenChainError, match="Receipt 1 is changed"):
        verify([link async for link in receipts.rows()])


async def test_a_last_hash_that_is_none_stops_everything(receipts: Receipts, url: str):
    await receipts.append(made(), BODY)
    without_triggers(url)
    by_hand(url, "UPDATE receipts SET hash = 'none'")
    with pytest.raises(DatabaseError, match="the hash of receipt 1 is none"):
        await receipts.append(made(), BODY)


async def test_a_body_that_was_changed_is_not_shown(receipts: Receipts, url: str):
    await receipts.append(made(time=datetime.now(UTC)), BODY)
    by_hand(url, "UPDATE receipt_bodies SET body = 'other'")
    with pytest.raises(DatabaseError, match="not the one that left") as refused:
        await receipts.body(1)
    assert "other" not in str(refused.value)

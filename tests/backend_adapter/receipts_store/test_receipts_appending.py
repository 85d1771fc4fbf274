"""Appending on a real SQLite file and a real PostgreSQL: one chain for all, each body at its receipt."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from receipt_databases import by_hand
from receipt_samples import BODY, made
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import execute, open_database
from backend_adapter.egress.receipts import store
from backend_adapter.egress.receipts.chain import START, verify
from backend_adapter.egress.receipts.record import MAX_CHARS, Receipt
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts, Selection
from backend_adapter.errors import DatabaseError


async def test_a_receipt_and_its_body_are_stored_and_read_back(receipts: Receipts):
    receipt = made(time=datetime.now(UTC), user="Jörg 😀", counts={"ü": 2})
    assert await receipts.append(receipt, BODY) == 1
    refused = made(None, action="refuse", time=datetime.now(UTC))
    assert await receipts.append(refused, None) == 2
    first, second = [link async for link in receipts.rows()]
    assert (first.seq, first.receipt, first.previous) == (1, receipt, START)
    assert (second.seq, second.receipt, second.previous) == (2, refused, first.hash)
    assert verify([first, second]) == (2, second.hash)
    body = await receipts.body(1)
    assert body is not None
    assert (body.seq, body.body, body.sha256) == (1, BODY, receipt.body_sha256)
    assert datetime.fromisoformat(body.kept_until) == receipt.time + timedelta(days=30)
    assert await receipts.body(2) is None
    assert await receipts.find(2) == second
    assert await receipts.find(3) is None


@pytest.mark.parametrize(
    ("receipt", "body"),
    [
        (made(), None),
        (made(None), BODY),
        (made(), BODY + b" "),
        (made(bytes=3), BODY),
        (made(body_sha256="0" * 64), BODY),
    ],
)
async def test_a_receipt_of_another_body_is_not_stored(
    receipts: Receipts, receipt: Receipt, body: bytes | None
):
    with pytest.raises(ValueError, match="another body"):
        await receipts.append(receipt, body)
    await receipts.prepare()
    assert await receipts.latest(Selection(), 1) == []


async def test_a_caller_who_is_cancelled_just_when_the_receipt_is_stored_does_not_go_on(
    receipts: Receipts,
):
    gone_on = False

    async def waiting() -> None:
        nonlocal gone_on
        await receipts.append(made(), BODY)
        gone_on = True

    async def cancelling() -> None:
        await receipts.append(made(), BODY)
        late.cancel()

    # Both are stored at once, and the first to hear of it cancels the other.
    first, late = asyncio.create_task(cancelling()), asyncio.create_task(waiting())
    await asyncio.wait([first, late], timeout=30)
    assert late.cancelled()
    assert not gone_on
    assert [link.seq async for link in receipts.rows()] == [1, 2]


async def test_many_at_once_make_one_chain_with_each_body_at_its_receipt(receipts: Receipts):
    bodies = [b"body %d" % number for number in range(300)]
    seqs = await asyncio.gather(
        *(receipts.append(made(each, time=datetime.now(UTC)), each) for each in bodies)
    )
    assert sorted(seqs) == list(range(1, 301))
    assert verify([link async for link in receipts.rows()])[0] == 300
    for seq, body in zip(seqs, bodies, strict=True):
        kept = await receipts.body(seq)
        assert kept is not None and kept.body == body


async def test_bodies_that_are_large_are_stored_in_several_steps(
    receipts: Receipts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "_BATCH_BYTES", 10)
    bodies = [b"x" * size for size in (11, 5, 5, 5, 30, 0, 2)]
    seqs = await asyncio.gather(*(receipts.append(made(each), each) for each in bodies))
    assert seqs == list(range(1, 8))


async def test_hostile_texts_are_kept_as_texts(receipts: Receipts):
    hostile = ["'; DROP TABLE receipts; --", "%s :x ? $1", "a\x00b", "\ud800", "x" * 10_000, ""]
    for value in hostile:
        await receipts.append(made(user=value, chat=value, counts={value: 1}), BODY)
    links = [link async for link in receipts.rows()]
    assert verify(links)[0] == len(hostile)
    for number, value in enumerate(hostile, start=1):
        asked = await receipts.of_chat(value, value)
        assert number in [link.seq for link in asked]
        await receipts.body(number, value)
    users = [link.receipt.user for link in links if link.receipt]
    assert users == [*hostile[:2], "a\ufffdb", "\ufffd", "x" * (MAX_CHARS - 1) + "…", ""]


async def test_a_body_that_cannot_be_stored_leaves_no_receipt(
    receipts: Receipts, url: str, engine: AsyncEngine
):
    await receipts.append(made(), BODY)
    by_hand(url, "DROP TABLE receipt_bodies")
    with pytest.raises(DatabaseError):
        await receipts.append(made(), BODY)
    assert [link.seq async for link in receipts.rows()] == [1]
    assert await receipts.append(made(None), None) == 2


async def test_a_receipt_that_cannot_be_stored_leaves_no_body(
    receipts: Receipts, url: str, engine: AsyncEngine
):
    await receipts.append(made(), BODY)
    by_hand(url, "ALTER TABLE receipts RENAME TO away")
    with pytest.raises(DatabaseError):
        await receipts.append(made(), BODY)
    rows = await execute(engine, text("SELECT seq FROM receipt_bodies"))
    by_hand(url, "ALTER TABLE away RENAME TO receipts")
    assert [row.seq for row in rows] == [1]
    assert await receipts.append(made(), BODY) == 2


async def test_no_more_wait_than_there_is_room_for(
    receipts: Receipts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "_MAX_WAITING", 3)
    results = await asyncio.gather(
        *(receipts.append(made(), BODY) for _ in range(5)), return_exceptions=True
    )
    assert results[:3] == [1, 2, 3]
    assert all(isinstance(result, DatabaseError) for result in results[3:])


async def test_closing_stores_what_waits_and_takes_nothing_more(receipts: Receipts):
    waiting = [asyncio.create_task(receipts.append(made(), BODY)) for _ in range(5)]
    await asyncio.sleep(0)
    await receipts.close()
    assert await asyncio.gather(*waiting) == [1, 2, 3, 4, 5]
    with pytest.raises(DatabaseError, match="being closed"):
        await receipts.append(made(), BODY)
    await receipts.close()


async def test_a_fault_of_the_store_itself_is_told_and_logged_and_not_the_end(
    receipts: Receipts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def broken(*_: object) -> str:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(store, "_digest", broken)
        with pytest.raises(DatabaseError, match="the store failed"):
            await receipts.append(made(), BODY)
    assert "a bug" in caplog.text
    assert await receipts.append(made(), BODY) == 1


async def test_before_the_first_adapter_there_is_no_table(receipts: Receipts):
    assert not await receipts.exist()
    await receipts.prepare()
    assert await receipts.exist()


async def test_several_at_once_prepare_one_database(url: str):
    async def prepare() -> None:
        async with open_database(SecretStr(url)) as engine:
            await Receipts(engine, ReceiptSettings()).prepare()

    await asyncio.gather(*(prepare() for _ in range(6)))

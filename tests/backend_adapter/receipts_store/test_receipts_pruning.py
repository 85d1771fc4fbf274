"""Bodies go when their time is over; receipts stay."""

from datetime import UTC, datetime, timedelta

import pytest
from receipt_samples import BODY, made
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import execute
from backend_adapter.egress.receipts import store
from backend_adapter.egress.receipts.chain import verify
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts


async def test_bodies_go_when_their_time_is_over_and_receipts_stay(
    receipts: Receipts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "_PRUNED_AT_ONCE", 2)
    now = datetime.now(UTC)
    for age in (31, 30, 30, 29, 0):
        await receipts.append(made(time=now - timedelta(days=age)), BODY)
    # What is over is not shown, even before it is gone.
    assert [seq for seq in range(1, 6) if await receipts.body(seq)] == [4, 5]
    assert await receipts.prune() == 3
    assert await receipts.prune() == 0
    assert await receipts.prune(now + timedelta(days=2)) == 1
    assert verify([link async for link in receipts.rows()])[0] == 5
    assert [seq for seq in range(1, 6) if await receipts.body(seq)] == [5]


async def test_a_time_that_was_shortened_holds_for_what_is_there_already(receipts: Receipts):
    now = datetime.now(UTC)
    for age in (8, 6):
        await receipts.append(made(time=now - timedelta(days=age)), BODY)
    receipts.apply(ReceiptSettings(body_days=7))
    assert await receipts.prune() == 1
    assert await receipts.body(1) is None
    assert await receipts.body(2) is not None


async def test_no_body_is_kept_where_none_shall_be(engine: AsyncEngine):
    receipts = Receipts(engine, ReceiptSettings(body_days=0))
    await receipts.append(made(time=datetime.now(UTC)), BODY)
    assert await execute(engine, text("SELECT seq FROM receipt_bodies")) == []
    assert await receipts.body(1) is None

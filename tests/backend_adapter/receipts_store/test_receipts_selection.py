"""Who may read which receipts, and how they are selected."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from receipt_samples import BODY, TIME, made

from backend_adapter.egress.receipts import store
from backend_adapter.egress.receipts.store import Receipts, Selection


async def test_a_caller_sees_the_receipts_of_an_own_chat_only(receipts: Receipts):
    for user, chat, message in (
        ("anna", "c1", "m1"),
        ("anna", "c1", "m2"),
        ("berta", "c1", "m1"),
        ("anna", "c2", "m1"),
        ("anna", "c1", "m2"),
    ):
        now = datetime.now(UTC)
        await receipts.append(made(user=user, chat=chat, message=message, time=now), BODY)

    async def seqs(*asked: Any, **more: Any) -> list[int]:
        return [link.seq for link in await receipts.of_chat(*asked, **more)]

    assert await seqs("c1", "anna") == [1, 2, 5]
    assert await seqs("c1", "anna", after=1) == [2, 5]
    assert await seqs("c1", "anna", message="m2") == [2, 5]
    assert await seqs("c1", "berta") == [3]
    assert await seqs("c1", "carla") == await seqs("' OR 1=1 --", "anna") == []
    assert await receipts.body(3, "berta") is not None
    assert await receipts.body(3, "anna") is None


async def test_a_selection_is_by_chat_user_and_time_in_the_order_of_the_chain(
    receipts: Receipts, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "_PAGE", 2)
    for number, chat in enumerate(("c2", "", "c1", "c2", "c1", "")):
        await receipts.append(made(chat=chat, time=TIME + timedelta(hours=number)), BODY)

    async def seqs(**selection: Any) -> list[int]:
        return [link.seq async for link in receipts.rows(Selection(**selection))]

    assert await seqs() == [1, 2, 3, 4, 5, 6]
    assert await seqs(chat="") == [2, 6]
    assert await seqs(chat="c2", since=TIME + timedelta(hours=1)) == [4]
    assert await seqs(since=TIME + timedelta(hours=3)) == [4, 5, 6]
    assert await seqs(user="berta") == []
    assert await receipts.chats(Selection()) == ["c2", "", "c1"]
    assert await receipts.chats(Selection(since=TIME + timedelta(hours=2))) == ["c1", "c2", ""]
    assert [link.seq for link in await receipts.latest(Selection(chat="c1"), 1)] == [5]
    assert [link.seq for link in await receipts.latest(Selection(), 3)] == [4, 5, 6]

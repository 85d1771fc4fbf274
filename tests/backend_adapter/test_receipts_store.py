"""Receipts on a real SQLite file and a real PostgreSQL: one chain for all, appended only, whole after a crash."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr
from receipt_samples import BODY, TIME, made, postgres_server
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import execute, open_database, transaction
from backend_adapter.egress.receipts import store
from backend_adapter.egress.receipts.chain import START, BrokenChainError, verify
from backend_adapter.egress.receipts.record import MAX_CHARS, Receipt
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts, Selection
from backend_adapter.errors import DatabaseError

THIRTY_DAYS = ReceiptSettings()


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'adapter.db'}"
    else:
        plain = request.getfixturevalue("postgres")
        yield plain.replace("postgresql://", "postgresql+psycopg://")
        with psycopg.connect(plain) as connection:
            connection.execute("DROP TABLE IF EXISTS receipts, receipt_bodies")


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    async with open_database(SecretStr(url)) as opened:
        yield opened


@pytest.fixture
async def receipts(engine: AsyncEngine) -> AsyncIterator[Receipts]:
    kept = Receipts(engine, THIRTY_DAYS)
    yield kept
    await kept.close()


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


PROCESS = """
import asyncio, sys
from pydantic import SecretStr
sys.path.insert(0, sys.argv[1])
from receipt_samples import made
from backend_adapter.database import open_database
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts

url, name, total = sys.argv[2], sys.argv[3], int(sys.argv[4])

async def main():
    async with open_database(SecretStr(url)) as engine:
        receipts = Receipts(engine, ReceiptSettings())
        numbers = iter(range(total))

        async def chat():
            for number in numbers:
                body = f"{name} {number}".encode()
                seq = await receipts.append(made(body, user=name, message=str(number)), body)
                print(seq, number, flush=True)

        await asyncio.gather(*(chat() for _ in range(4)))
        await receipts.close()

asyncio.run(main())
"""


async def started(url: str, name: str, total: int) -> asyncio.subprocess.Process:
    command = [sys.executable, "-c", PROCESS, str(Path(__file__).parent), url, name, str(total)]
    return await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)


async def test_processes_at_once_make_one_chain_without_gaps(url: str, receipts: Receipts):
    total = 150
    running = [await started(url, name, total) for name in ("one", "two", "three")]
    outputs = [(await asyncio.wait_for(each.communicate(), 120))[0] for each in running]
    assert [each.returncode for each in running] == [0, 0, 0]
    told = [int(line.split()[0]) for output in outputs for line in output.splitlines()]
    assert sorted(told) == list(range(1, 3 * total + 1))
    links = [link async for link in receipts.rows()]
    assert verify(links)[0] == 3 * total
    for link in links:
        kept = await receipts_body(receipts, link.seq)
        assert link.receipt is not None
        assert kept == f"{link.receipt.user} {link.receipt.message}".encode()


async def test_a_killed_process_leaves_a_chain_with_all_that_it_was_told_is_stored(
    url: str, receipts: Receipts
):
    told: dict[int, bytes] = {}
    for name in ("one", "two", "three"):
        process = await started(url, name, 100_000)
        assert process.stdout is not None
        for _ in range(40):
            seq, number = (await asyncio.wait_for(process.stdout.readline(), 60)).split()
            told[int(seq)] = f"{name} {int(number)}".encode()
        process.kill()
        await process.communicate()
    assert await receipts.append(made(), BODY) > max(told)
    links = [link async for link in receipts.rows()]
    assert verify(links)[0] == links[-1].seq == len(links)
    for seq, body in told.items():
        assert await receipts_body(receipts, seq) == body
    with_body = await execute(receipts._engine, text("SELECT seq FROM receipt_bodies ORDER BY seq"))
    assert [row.seq for row in with_body] == [link.seq for link in links]


async def test_a_process_that_takes_a_number_by_hand_is_given_way(
    receipts: Receipts, url: str, monkeypatch: pytest.MonkeyPatch
):
    await receipts.append(made(), BODY)
    row = '(seq, time, "user", client, chat, message, task, model, destination, site, trust, action, policy,'
    row += " data_class, passages, counts, bytes, body_sha256, previous, hash)"
    columns = row.strip("()").removeprefix("seq, ")
    taken = f"INSERT INTO receipts {row} SELECT seq + 1, {columns} FROM receipts WHERE seq = 1"
    digest = store._digest

    def meanwhile(seq: int, previous: str, receipt: Receipt) -> str:
        # After the last number was read and before the next is written.
        if seq == 2 and not url.startswith("sqlite"):
            by_hand(url, taken)
        return digest(seq, previous, receipt)

    monkeypatch.setattr(store, "_digest", meanwhile)
    if url.startswith("sqlite"):
        # One writes at a time there, so it comes before or after.
        by_hand(url, taken)
    assert await receipts.append(made(), BODY) == 3


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


async def test_a_lock_that_is_held_too_long_refuses_and_stores_nothing(
    receipts: Receipts, url: str
):
    await receipts.append(made(), BODY)
    with locked(url):
        with pytest.raises(DatabaseError) as refused:
            await receipts.append(made(message="secret-message"), BODY)
        assert (refused.value.status, refused.value.code) == (503, "database_unavailable")
        assert "secret-message" not in str(refused.value)
    assert await receipts.append(made(), BODY) == 2


STANDING_STILL = """
import asyncio, os, signal, sys
from pydantic import SecretStr
from backend_adapter.database import open_database, transaction
from backend_adapter.egress.receipts import store

async def main():
    async with open_database(SecretStr(sys.argv[1])) as engine:
        async with transaction(engine, store._CHAIN_LOCK):
            print("inside", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)

asyncio.run(main())
"""


async def test_a_process_that_stands_still_inside_does_not_stop_the_others_for_ever(postgres: str):
    url = postgres.replace("postgresql://", "postgresql+psycopg://")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STANDING_STILL, url, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"inside\n"
    try:
        async with open_database(SecretStr(url)) as engine:
            receipts = Receipts(engine, THIRTY_DAYS)
            for _ in range(20):
                with suppress(DatabaseError):
                    await receipts.append(made(), BODY)
                    break
            links = [link async for link in receipts.rows()]
            assert verify(links)[0] == 1
            await receipts.close()
    finally:
        process.kill()
        await process.wait()
        by_hand(url, "DROP TABLE IF EXISTS receipts, receipt_bodies")


async def test_what_a_transaction_stores_survives_a_power_cut_and_other_writes_stay_fast(
    tmp_path: Path,
):
    asked = text("PRAGMA synchronous")
    async with open_database(SecretStr(f"sqlite+aiosqlite:///{tmp_path / 'adapter.db'}")) as engine:
        async with transaction(engine, 1) as connection:
            assert (await connection.execute(asked)).scalar() == 2
        assert [row[0] for row in await execute(engine, asked)] == [1]
        with pytest.raises(RuntimeError):
            async with transaction(engine, 1):
                raise RuntimeError("in the middle")
        assert [row[0] for row in await execute(engine, asked)] == [1]


async def test_who_gives_up_waiting_leaves_the_chain_whole(receipts: Receipts, url: str):
    await receipts.append(made(), BODY)
    with locked(url):
        waiting = [asyncio.create_task(receipts.append(made(), BODY)) for _ in range(20)]
        await asyncio.wait(waiting, timeout=0.2)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=20)
        assert all(task.cancelled() for task in waiting)
    seq = await receipts.append(made(), BODY)
    assert verify([link async for link in receipts.rows()])[0] == seq


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
            await Receipts(engine, THIRTY_DAYS).prepare()

    await asyncio.gather(*(prepare() for _ in range(6)))


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


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else is in the middle of appending."""
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
            other.execute(f"SELECT pg_advisory_xact_lock({store._CHAIN_LOCK})".encode())
            yield
            other.rollback()

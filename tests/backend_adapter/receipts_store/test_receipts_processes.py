"""Several processes append to one chain, which stays whole when one is killed, stands still or gives up."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import receipt_samples
from pydantic import SecretStr
from receipt_databases import appending, by_hand, receipts_body
from receipt_samples import BODY, made
from sqlalchemy import text

from backend_adapter.database import execute, open_database, transaction
from backend_adapter.egress.receipts import store
from backend_adapter.egress.receipts.chain import verify
from backend_adapter.egress.receipts.record import Receipt
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from backend_adapter.errors import DatabaseError

SAMPLES = str(Path(receipt_samples.__file__).parent)
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
    command = [sys.executable, "-c", PROCESS, SAMPLES, url, name, str(total)]
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


async def test_a_lock_that_is_held_too_long_refuses_and_stores_nothing(
    receipts: Receipts, url: str
):
    await receipts.append(made(), BODY)
    with appending(url):
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
            receipts = Receipts(engine, ReceiptSettings())
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
    with appending(url):
        waiting = [asyncio.create_task(receipts.append(made(), BODY)) for _ in range(20)]
        await asyncio.wait(waiting, timeout=0.2)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=20)
        assert all(task.cancelled() for task in waiting)
    seq = await receipts.append(made(), BODY)
    assert verify([link async for link in receipts.rows()])[0] == seq

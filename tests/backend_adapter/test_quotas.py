"""Tokens per user and day, on a real SQLite file and a real PostgreSQL, counted by several processes."""

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import execute, open_database
from backend_adapter.errors import DatabaseError, QuotaError, SettingsError
from backend_adapter.routing import quotas as quotas_module
from backend_adapter.routing.quotas import Quotas
from backend_adapter.settings import AdapterSettings, QuotaSettings
from tests.databases import locked, postgres_server

LIMITED = QuotaSettings(tokens_per_user_and_day=1_000)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecretStr]:
    """An empty database, as the settings name it."""
    if request.param == "sqlite":
        yield database_url(f"sqlite:///{tmp_path / 'made' / 'adapter.db'}")
    else:
        yield database_url(request.getfixturevalue("postgres"))
        with psycopg.connect(request.getfixturevalue("postgres")) as connection:
            connection.execute("DROP TABLE IF EXISTS tokens_spent")


def database_url(given: str) -> SecretStr:
    checked = AdapterSettings(database_url=given).database_url
    assert checked
    return checked


@pytest.fixture
async def engine(url: SecretStr) -> AsyncIterator[AsyncEngine]:
    async with open_database(url) as opened:
        yield opened


async def test_what_is_reserved_and_settled_is_counted_for_its_user(engine: AsyncEngine):
    quotas = Quotas(engine, LIMITED)
    first = await quotas.reserve("anna", 300)
    await quotas.reserve("berta", 10)
    assert await quotas.used_today() == {"anna": 300, "berta": 10}
    await first.settle(120)
    assert await quotas.used_today() == {"anna": 120, "berta": 10}
    second = await quotas.reserve("anna", 5)
    await second.settle(700)
    await second.settle(700)
    assert await quotas.used_today() == {"anna": 820, "berta": 10}
    await second.settle(0)
    assert await quotas.used_today() == {"anna": 120, "berta": 10}


async def test_who_has_spent_the_limit_is_refused_until_midnight(engine: AsyncEngine):
    quotas = Quotas(engine, LIMITED)
    await quotas.reserve("anna", 999)
    last = await quotas.reserve("anna", 400)
    with pytest.raises(QuotaError) as refused:
        await quotas.reserve("anna", 1)
    error = refused.value
    assert (error.status, error.code) == (429, "insufficient_quota")
    assert "anna has spent 1399 of 1000 tokens" in error.message
    assert error.retry_after_s is not None and 0 < error.retry_after_s <= 24 * 60 * 60
    assert await quotas.used_today() == {"anna": 1399}
    await quotas.reserve("berta", 1)
    await last.settle(0)
    await quotas.reserve("anna", 1)


async def test_single_users_have_other_limits_or_none(engine: AsyncEngine):
    overrides = {"anna": 10, "berta": 0}
    quotas = Quotas(engine, QuotaSettings(tokens_per_user_and_day=1_000, overrides=overrides))
    await quotas.reserve("anna", 10)
    with pytest.raises(QuotaError, match="of 10 tokens"):
        await quotas.reserve("anna", 1)
    await (await quotas.reserve("berta", 1_000_000)).settle(2_000_000)
    assert await quotas.used_today() == {"anna": 10}


async def test_an_estimate_below_zero_gives_nothing_back(engine: AsyncEngine):
    quotas = Quotas(engine, LIMITED)
    await quotas.reserve("anna", 500)
    await (await quotas.reserve("anna", -400)).settle(-50)
    assert await quotas.used_today() == {"anna": 500}


async def test_a_day_begins_anew_and_a_late_answer_counts_for_the_day_it_was_asked(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
):
    quotas = Quotas(engine, LIMITED)
    monkeypatch.setattr(quotas_module, "_today", lambda: date(2026, 3, 1))
    late = await quotas.reserve("anna", 1_000)
    monkeypatch.setattr(quotas_module, "_today", lambda: date(2026, 3, 2))
    await quotas.reserve("anna", 7)
    await late.settle(2_000)
    assert await quotas.used_today() == {"anna": 7}
    monkeypatch.setattr(quotas_module, "_today", lambda: date(2026, 3, 1))
    assert await quotas.used_today() == {"anna": 2_000}


async def test_days_are_kept_for_ninety_days(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch):
    today = date(2026, 6, 1)
    quotas = Quotas(engine, LIMITED)
    for age in (91, 90, 89):
        monkeypatch.setattr(quotas_module, "_today", lambda age=age: today - timedelta(days=age))
        await quotas.reserve("anna", age)
    monkeypatch.setattr(quotas_module, "_today", lambda: today)
    await Quotas(engine, LIMITED).prepare()
    kept = await execute(engine, text("SELECT tokens FROM tokens_spent ORDER BY tokens"))
    assert [row.tokens for row in kept] == [89, 90]


async def test_a_user_may_be_called_anything(engine: AsyncEngine):
    quotas = Quotas(engine, LIMITED)
    names = ["'; DROP TABLE tokens_spent; --", "Jürgen Größe", "%s :x ?", ""]
    for name in names:
        await quotas.reserve(name, 1)
    assert await quotas.used_today() == dict.fromkeys(names, 1)


PROCESS = """
import asyncio, json, sys
from pydantic import SecretStr
from backend_adapter.database import open_database
from backend_adapter.errors import QuotaError
from backend_adapter.routing.quotas import Quotas
from backend_adapter.settings import QuotaSettings

url, limit, estimate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

async def main():
    async with open_database(SecretStr(url)) as engine:
        quotas = Quotas(engine, QuotaSettings(tokens_per_user_and_day=limit))
        reserved = 0

        async def ask():
            nonlocal reserved
            while True:
                try:
                    await quotas.reserve("anna", estimate)
                except QuotaError:
                    return
                reserved += estimate

        await asyncio.gather(*(ask() for _ in range(8)))
        print(json.dumps(reserved))

asyncio.run(main())
"""


async def test_processes_together_reserve_no_more_than_the_limit_and_one_estimate(
    url: SecretStr, engine: AsyncEngine
):
    limit, estimate = 2_000, 37
    command = [sys.executable, "-c", PROCESS, url.get_secret_value(), str(limit), str(estimate)]
    running = [
        await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE) for _ in range(4)
    ]
    outputs = [(await asyncio.wait_for(each.communicate(), 60))[0] for each in running]
    reserved = [json.loads(output) for output in outputs]
    assert limit <= sum(reserved) <= limit - 1 + estimate
    assert await Quotas(engine, LIMITED).used_today() == {"anna": sum(reserved)}


async def test_unlimited_users_need_no_database():
    quotas = Quotas(None, QuotaSettings())
    await quotas.prepare()
    await (await quotas.reserve("anna", 10**9)).settle(10**9)
    assert await quotas.used_today() == {}
    async with open_database(database_url(closed_port())) as away:
        free = Quotas(away, QuotaSettings(tokens_per_user_and_day=5, overrides={"anna": 0}))
        await (await free.reserve("anna", 10**9)).settle(1)


@pytest.mark.parametrize("limits", [{"tokens_per_user_and_day": 1}, {"overrides": {"anna": 1}}])
def test_limits_without_a_database_are_refused_at_the_start(limits: dict[str, Any]):
    with pytest.raises(SettingsError) as refused:
        Quotas(None, QuotaSettings(**limits))
    assert "database_url" in refused.value.remedy


async def test_a_database_that_is_away_lets_nobody_limited_in():
    async with open_database(database_url(closed_port())) as away:
        quotas = Quotas(away, LIMITED)
        for ask in (quotas.reserve("anna", 1), quotas.used_today(), quotas.prepare()):
            with pytest.raises(DatabaseError) as refused:
                await ask
            assert (refused.value.status, refused.value.code) == (503, "database_unavailable")
            assert "adapter.database_url" in refused.value.remedy
            assert "geheim" not in str(refused.value)


async def test_a_lock_that_is_held_too_long_is_no_endless_wait(
    url: SecretStr, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
):
    quotas = Quotas(engine, LIMITED)
    reservation = await quotas.reserve("anna", 100)
    with changing(url), caplog.at_level(logging.WARNING):
        with pytest.raises(DatabaseError):
            await quotas.reserve("anna", 1)
        await reservation.settle(40)
    assert "estimate of 100 tokens stays counted" in caplog.text
    assert await quotas.used_today() == {"anna": 100}
    await reservation.settle(40)
    assert await quotas.used_today() == {"anna": 40}


async def test_a_request_that_is_cancelled_leaves_the_database_usable(
    url: SecretStr, engine: AsyncEngine
):
    quotas = Quotas(engine, LIMITED)
    await quotas.reserve("anna", 1)
    with changing(url):
        waiting = [asyncio.create_task(quotas.reserve("anna", 1)) for _ in range(20)]
        await asyncio.wait(waiting, timeout=0.2)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=20)
        assert all(task.cancelled() for task in waiting)
    await quotas.reserve("berta", 1)
    assert (await quotas.used_today())["berta"] == 1


async def test_lost_connections_are_made_anew(postgres: str):
    async with open_database(database_url(postgres)) as engine:
        quotas = Quotas(engine, LIMITED)
        await quotas.reserve("clara", 1)
        with psycopg.connect(postgres) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        await quotas.reserve("clara", 1)
        assert (await quotas.used_today())["clara"] == 2


async def test_a_file_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SettingsError, match="file"):
        async with open_database(database_url(f"sqlite:///{tmp_path}/file/adapter.db")):
            pass


@pytest.mark.parametrize("wrong", ["mysql://a@b/c", "adapter.db", "sqlite", "postgresql:x"])
def test_an_address_of_another_kind_is_refused(wrong: str):
    with pytest.raises(ValidationError):
        AdapterSettings(database_url=wrong)


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://anna:geheim@127.0.0.1:{probe.getsockname()[1]}/adapter"


def changing(url: SecretStr) -> AbstractContextManager[None]:
    """Somebody else is in the middle of a change."""
    return locked(url.get_secret_value(), "SELECT * FROM tokens_spent FOR UPDATE")

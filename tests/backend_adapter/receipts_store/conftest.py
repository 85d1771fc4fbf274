"""An empty database of each kind, and the receipts in it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from tests.databases import postgres_server


@pytest.fixture(scope="session")
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
    kept = Receipts(engine, ReceiptSettings())
    yield kept
    await kept.close()

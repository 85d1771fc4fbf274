"""The receipts of a site of its own, which `hoheit receipts` reads."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from program import Program
from pydantic import SecretStr

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.record import Receipt
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from tests.backend_adapter import receipt_samples

BODY = '{"messages":[{"role":"user","content":"Was hat Person-K7Q vor? ü"}],"model":"m"}'.encode()
NOW = datetime.now(UTC)


class SiteReceipts(Program):
    """The receipts of a site in a home of its own."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, "receipts")
        self.file = home / "data" / "adapter" / "adapter.db"

    @property
    def url(self) -> SecretStr:
        return SecretStr(f"sqlite+aiosqlite:///{self.file}")

    def append(self, *given: dict[str, Any], body: bytes | None = BODY) -> None:
        async def append() -> None:
            async with open_database(self.url) as engine:
                receipts = Receipts(engine, ReceiptSettings())
                for each in given:
                    await receipts.append(made(body, **each), body)
                await receipts.close()

        asyncio.run(append())

    def by_hand(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()


def made(body: bytes | None, **given: Any) -> Receipt:
    """A receipt of now; keywords are other fields."""
    return receipt_samples.made(body, **({"time": NOW, "counts": {"person": 1}} | given))

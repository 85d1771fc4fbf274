"""One line for each tool call, and none of its content.

A line says who called which tool in which chat, what it touched (a configured root or database,
never a path or a statement), how much it returned, how long it took and how it ended.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime

logger = logging.getLogger("mcp_servers.audit")

_HEADER_MAX = 200


@dataclass(frozen=True, slots=True)
class Caller:
    """Who stands behind a call, as far as Open WebUI says so in the `X-Hoheit-*` headers.

    The headers are trusted because only the holder of the bearer token can send them.
    """

    user: str | None = None
    email: str | None = None
    groups: str | None = None
    chat: str | None = None
    message: str | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "Caller":
        """Read the identity from request headers; names are matched in lower case."""
        return cls(
            user=_value(headers.get("x-hoheit-user-id")),
            email=_value(headers.get("x-hoheit-user-email")),
            groups=_value(headers.get("x-hoheit-user-groups")),
            chat=_value(headers.get("x-hoheit-chat-id")),
            message=_value(headers.get("x-hoheit-message-id")),
        )


def _value(raw: str | None) -> str | None:
    """A header's value; None if it is empty or a template that Open WebUI left unresolved."""
    value = (raw or "").strip()
    if not value or value.startswith("{{"):
        return None
    return "".join(c for c in value if c.isprintable())[:_HEADER_MAX]


@dataclass(slots=True)
class Call:
    """What one call's audit line will say."""

    server: str
    tool: str
    caller: Caller = field(default_factory=Caller)
    subjects: list[str] = field(default_factory=list)
    rows: int | None = None
    chars: int = 0
    status: str = "ok"
    started: float = field(default_factory=time.monotonic)

    def write(self) -> None:
        """Log the line. Called once, when the call has ended."""
        fields = {
            "event": "tool_call",
            "server": self.server,
            "tool": self.tool,
            "user": self.caller.user,
            "chat": self.caller.chat,
            "message": self.caller.message,
            "subjects": sorted(set(self.subjects)),
            "rows": self.rows,
            "chars": self.chars,
            "status": self.status,
            "duration_ms": round((time.monotonic() - self.started) * 1000, 1),
        }
        logger.info("%s.%s %s", self.server, self.tool, self.status, extra={"fields": fields})


current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)
"""The call that the running tool serves; worker threads see it through their copied context."""


def note(subject: str | None = None, rows: int | None = None) -> None:
    """Add facts to the running call's audit line: a configured root or database, rows or passages."""
    call = current_call.get()
    if call is None:
        return
    if subject is not None:
        call.subjects.append(subject)
    if rows is not None:
        call.rows = rows


class JsonLines(logging.Formatter):
    """Formats every record as one JSON object; `extra={"fields": {...}}` becomes keys of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line.update(fields)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr(level: str) -> None:
    """Send all logging to stderr as JSON lines. On stdio, stdout belongs to the protocol."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)

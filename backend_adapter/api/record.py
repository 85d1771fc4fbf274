"""One log line for each request: what was asked of whom, and how it went. Never what was said."""

import logging
import time

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend_adapter.api.outcome import Outcome

log = logging.getLogger("backend_adapter.requests")

_KEY = "hoheit.record"
_QUIET = frozenset({"/health", "/ready", "/metrics", "/v1/topology"})


class Record(msgspec.Struct, omit_defaults=True):
    """What the line says; whoever handles the request fills in what it knows."""

    method: str
    path: str
    status: int = 500
    task: str | None = None
    model: str | None = None
    upstream: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None
    client: str | None = None
    queued_ms: int | None = None
    ttft_ms: int | None = None
    passed_over: list[str] | None = None
    gone_on_from: list[str] | None = None
    duration_ms: int | None = None

    def tell(self, outcome: Outcome) -> None:
        """Take over what a request to a model came to."""
        self.task = outcome.task
        self.model = outcome.model
        self.client = outcome.client
        self.upstream = outcome.upstream
        self.queued_ms = round(1000 * outcome.queued_s)
        if outcome.ttft_s is not None:
            self.ttft_ms = round(1000 * outcome.ttft_s)
        if outcome.usage is not None:
            self.prompt_tokens = outcome.usage.prompt_tokens
            self.completion_tokens = outcome.usage.completion_tokens
        self.passed_over = outcome.passed_over or None
        self.gone_on_from = outcome.gone_on_from or None


def record(request: Request) -> Record:
    """The record of `request`."""
    found: Record = request.scope[_KEY]
    return found


class RequestLog:
    """ASGI middleware that keeps a record of each request and writes it when the answer is over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        kept = scope[_KEY] = Record(scope["method"], scope["path"][:256])
        begun = time.monotonic()

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept.status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        finally:
            kept.duration_ms = round((time.monotonic() - begun) * 1000)
            level = logging.DEBUG if kept.path in _QUIET else logging.INFO
            if log.isEnabledFor(level):
                log.log(level, "%s", msgspec.json.encode(kept).decode())

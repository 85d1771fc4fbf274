"""Counts every HTTP request, and notes which trace it belongs to."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from backend_adapter.api.metrics import UNKNOWN
from backend_adapter.api.record import record
from backend_adapter.api.services import services
from backend_adapter.api.telemetry import TRACE_HEADERS, trace_headers


class Observer:
    """ASGI middleware around the request log, whose record it reads when the answer is over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        telemetry = services(request).telemetry
        if telemetry.tracing is not None:
            headers = request.headers
            found = {name: headers[name] for name in TRACE_HEADERS if name in headers}
            trace_headers.set(found or None)
        try:
            await self._app(scope, receive, send)
        finally:
            telemetry.metrics.count_http(_route(scope), record(request).status)


def _route(scope: Scope) -> str:
    """The pattern that the path matched, never the path: there are only so many patterns."""
    pattern = getattr(scope.get("route"), "path", None)
    if pattern is None:
        return UNKNOWN
    # A route knows its pattern without the prefix under which its router is included.
    prefix = "/v1" if scope["path"].startswith("/v1/") else ""
    return f"{prefix}{pattern}"

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
            route = getattr(scope.get("route"), "path", UNKNOWN)
            telemetry.metrics.count_http(route, record(request).status)

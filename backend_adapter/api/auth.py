"""Only who knows a key may ask."""

from collections.abc import Callable

from starlette.requests import Request

from backend_adapter.api.identity import USER_HEADER, Caller, Identity

_KEY = "hoheit.caller"


class CallerCheck:
    """A dependency that lets only known callers in; `caller` then tells who it is."""

    def __init__(self, identity: Callable[[Request], Identity]) -> None:
        self._identity = identity

    async def __call__(self, request: Request) -> Caller:
        """Raises UnauthorizedError."""
        headers = request.headers
        found = self._identity(request).caller(
            headers.get("authorization", ""), headers.get(USER_HEADER)
        )
        request.scope[_KEY] = found
        return found


class AdminCheck:
    """A dependency that lets only operators in."""

    def __init__(self, identity: Callable[[Request], Identity]) -> None:
        self._identity = identity

    async def __call__(self, request: Request) -> None:
        """Raises UnauthorizedError."""
        self._identity(request).require_admin(request.headers.get("authorization", ""))


class LabelsCheck:
    """A dependency that lets only the site's own MCP servers in."""

    def __init__(self, identity: Callable[[Request], Identity]) -> None:
        self._identity = identity

    async def __call__(self, request: Request) -> None:
        """Raises UnauthorizedError."""
        self._identity(request).require_labels(request.headers.get("authorization", ""))


def caller(request: Request) -> Caller:
    """Who sent `request`, on a route that CallerCheck guards."""
    found: Caller = request.scope[_KEY]
    return found

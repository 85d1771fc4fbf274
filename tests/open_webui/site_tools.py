"""Small MCP servers in the place of the site's own, behind a bearer token, that note who called."""

from mcp.server import MCPServer
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.open_webui.background import Asgi

FACT = "The registry office is open on Tuesdays from 8 to 18."


class SiteTools(Asgi):
    """Serves `search` and `list` at /mcp for whoever shows the token; `callers` are their headers."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.callers: list[dict[str, str]] = []
        super().__init__(self._guarded(_tools().streamable_http_app(stateless_http=True)))

    @property
    def url(self) -> str:
        return f"{self.address}/mcp"

    def _guarded(self, app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                headers = dict(Request(scope).headers)
                if headers.get("authorization") != f"Bearer {self.token}":
                    await PlainTextResponse("wrong token", 401)(scope, receive, send)
                    return
                self.callers.append(headers)
            await app(scope, receive, send)

        return guarded


def _tools() -> MCPServer:
    tools = MCPServer("site")

    @tools.tool()
    async def search(query: str) -> str:
        """Search the site's documents."""
        return FACT

    @tools.tool(name="list")
    async def list_documents() -> list[str]:
        """List the site's documents."""
        return ["registry-office.md"]

    return tools

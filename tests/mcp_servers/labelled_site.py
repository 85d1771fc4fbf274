"""A site with labelled data: its settings, and calls of its tools over real connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from conftest import Adapter, Serve
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent
from starlette.types import ASGIApp

from mcp_servers.databases import server as databases_server
from mcp_servers.databases.settings import DatabasesSettings
from mcp_servers.files.settings import FilesSettings

TOKEN = "right-token"
CHAT = {"X-Hoheit-Chat-Id": "chat-7", "X-Hoheit-User-Id": "user-3", "X-Hoheit-Message-Id": "m-1"}
LABELS = {"citizens.last_name": "person", "citizens.born_on": "date", "citizens.iban": "iban"}


def databases(town: Path, adapter: Adapter | None, **database: object) -> DatabasesSettings:
    entry = {"name": "town", "url": f"sqlite:///{town}", "labels": LABELS, **database}
    given = {"token": TOKEN, "databases": [entry], **(adapter.settings if adapter else {})}
    return DatabasesSettings.model_validate(given)


def files(documents: Path, adapter: Adapter | None, **classes: str) -> FilesSettings:
    classes = classes or {"offen": "public", "intern": "confidential"}
    roots = [
        {"name": name, "path": str(documents / name), "data_class": data_class}
        for name, data_class in classes.items()
    ]
    given = {"token": TOKEN, "roots": roots, **(adapter.settings if adapter else {})}
    return FilesSettings.model_validate(given)


@asynccontextmanager
async def talking_to(serve: Serve, app: ASGIApp, headers: dict[str, str]) -> AsyncIterator[Client]:
    async with (
        serve(app) as url,
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}", **headers}) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        yield client


async def call(client: Client, tool: str, **arguments: object) -> tuple[bool, str]:
    result = await client.call_tool(tool, arguments)
    (block,) = result.content
    assert isinstance(block, TextContent)
    return bool(result.is_error), block.text


async def indexed(client: Client) -> None:
    """Wait until a search finds all that there is."""
    async with asyncio.timeout(60):
        while "still being built" in (await call(client, "search", query="Zauberwort"))[1]:
            await asyncio.sleep(0.05)


async def query(
    serve: Serve, settings: DatabasesSettings, sql: str, headers: dict[str, str] = CHAT
) -> tuple[bool, str]:
    async with talking_to(serve, databases_server.create_app(settings), headers) as client:
        return await call(client, "query", database="town", sql=sql)

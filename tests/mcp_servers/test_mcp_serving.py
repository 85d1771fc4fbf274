"""Both servers over the wire: token, origin, both protocol eras, stdio, limits and the audit."""

import asyncio
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from pydantic import SecretStr
from starlette.types import ASGIApp

from mcp_servers.audit import Caller, JsonLines, note
from mcp_servers.databases import server as databases_server
from mcp_servers.databases.settings import DatabaseSettings, DatabasesSettings
from mcp_servers.errors import SettingsError
from mcp_servers.files import server as files_server
from mcp_servers.files.settings import FilesSettings, RootSettings
from mcp_servers.serving import host_rules
from mcp_servers.settings import ServerSettings
from mcp_servers.site import SiteServer

Serve = Callable[[ASGIApp], AbstractAsyncContextManager[str]]

TOKEN = "right-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def files_settings(documents: Path) -> FilesSettings:
    return FilesSettings(
        token=SecretStr(TOKEN),
        roots=(RootSettings(name="offen", path=documents / "offen", data_class="public"),),
    )


@pytest.fixture
def databases_settings(tmp_path: Path) -> DatabasesSettings:
    path = tmp_path / "town.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE hund (name TEXT)")
        db.execute("INSERT INTO hund VALUES ('Rex')")
    db.close()
    return DatabasesSettings(
        token=SecretStr(TOKEN),
        databases=(DatabaseSettings(name="town", url=SecretStr(f"sqlite:///{path}")),),
    )


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def client_at(url: str, http: httpx2.AsyncClient, mode: str) -> Client:
    return Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode)


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_files_over_http(serve: Serve, files_settings: FilesSettings, mode: str) -> None:
    async with (
        serve(files_server.create_app(files_settings)) as url,
        httpx2.AsyncClient(headers=BEARER) as http,
        client_at(url, http, mode) as client,
    ):
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["list", "search", "read"]
        for tool in tools:
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is True
            assert tool.annotations.open_world_hint is False
            assert tool.output_schema is None
        found = await client.call_tool("search", {"query": "Wo ist die Straße gesperrt?"})
        async with asyncio.timeout(60):
            while "still being built" in text_of(found):
                await asyncio.sleep(0.05)
                found = await client.call_tool("search", {"query": "Wo ist die Straße gesperrt?"})
        assert text_of(found).splitlines()[-3].endswith("offen/notiz.txt#line=1 (public)")
        refused = await client.call_tool("read", {"path": "offen/../intern/dienst.docx"})
        assert refused.is_error
        assert found.structured_content is None


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_databases_over_http(
    serve: Serve, databases_settings: DatabasesSettings, mode: str
) -> None:
    async with (
        serve(databases_server.create_app(databases_settings)) as url,
        httpx2.AsyncClient(headers=BEARER) as http,
        client_at(url, http, mode) as client,
    ):
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["list", "describe", "query"]
        result = await client.call_tool("query", {"database": "town", "sql": "select * from hund"})
        assert "| Rex |" in text_of(result)


async def test_tool_descriptions_stay_short(
    files_settings: FilesSettings, databases_settings: DatabasesSettings
) -> None:
    """Every chat pays for them in tokens."""
    for server in (
        files_server.create_server(files_settings),
        databases_server.create_server(databases_settings),
    ):
        tools = await server.list_tools()
        assert sum(len(tool.model_dump_json(exclude_none=True)) for tool in tools) < 1_700
        assert server.instructions is not None
        assert len(server.instructions) < 400


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"X-Authorization": f"Bearer {TOKEN}"},
    ],
)
async def test_a_wrong_token_reads_nothing(
    serve: Serve, files_settings: FilesSettings, headers: dict[str, str]
) -> None:
    async with (
        serve(files_server.create_app(files_settings)) as url,
        httpx2.AsyncClient() as http,
    ):
        for path in ("/mcp", "/", "/mcp/", "/health/", "//health", "/docs"):
            answer = await http.post(f"{url}{path}", json=INITIALIZE, headers={**ACCEPT, **headers})
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "offen" not in answer.text


async def test_two_tokens_are_refused(serve: Serve, files_settings: FilesSettings) -> None:
    async with serve(files_server.create_app(files_settings)) as url, httpx2.AsyncClient() as http:
        headers = [*ACCEPT.items(), ("Authorization", "Bearer wrong"), *BEARER.items()]
        answer = await http.post(f"{url}/mcp", json=INITIALIZE, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
    ],
)
async def test_foreign_pages_and_names_are_refused(
    serve: Serve, databases_settings: DatabasesSettings, headers: dict[str, str], status: int
) -> None:
    async with (
        serve(databases_server.create_app(databases_settings)) as url,
        httpx2.AsyncClient(headers={**ACCEPT, **BEARER}) as http,
    ):
        answer = await http.post(f"{url}/mcp", json=INITIALIZE, headers=headers)
    assert answer.status_code == status


def test_hosts_are_checked_on_every_bind_address() -> None:
    rules = host_rules(ServerSettings(host="0.0.0.0", allowed_hosts=("files",)))
    assert rules.enable_dns_rebinding_protection
    assert {"files", "files:*", "127.0.0.1:*"} <= set(rules.allowed_hosts)
    assert "0.0.0.0:*" not in rules.allowed_hosts
    assert "[fd00::1]:*" in host_rules(ServerSettings(host="fd00::1")).allowed_hosts


async def test_a_request_that_is_too_large_is_refused(
    serve: Serve, databases_settings: DatabasesSettings
) -> None:
    async with (
        serve(databases_server.create_app(databases_settings)) as url,
        httpx2.AsyncClient(headers={**ACCEPT, **BEARER}) as http,
    ):
        answer = await http.post(f"{url}/mcp", content=b"x" * 300_000)
    assert answer.status_code == 413


@pytest.mark.parametrize("settings", [FilesSettings(), DatabasesSettings(token=SecretStr(""))])
def test_a_server_without_a_token_does_not_start(
    settings: FilesSettings | DatabasesSettings,
) -> None:
    module = files_server if isinstance(settings, FilesSettings) else databases_server
    with pytest.raises(SettingsError, match="no token"):
        module.create_app(settings)  # type: ignore[arg-type]


async def test_health_needs_no_token_and_shows_counts_only(
    serve: Serve, files_settings: FilesSettings
) -> None:
    async with serve(files_server.create_app(files_settings)) as url, httpx2.AsyncClient() as http:
        async with asyncio.timeout(30):
            while (answer := (await http.get(f"{url}/health")).json())["indexing"]:
                await asyncio.sleep(0.02)
    assert answer == {
        "status": "ok",
        "indexing": False,
        "documents": {"indexed": 5, "total": 5, "unreadable": 0},
    }


SECRET_WORDS = ("Zauberwort", "offen/notiz", "Straße")


async def test_every_call_is_audited_without_its_content(
    serve: Serve, files_settings: FilesSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_servers")
    headers = {
        **BEARER,
        "X-Hoheit-Chat-Id": "chat-7",
        "X-Hoheit-User-Id": "user-3",
        "X-Hoheit-User-Email": "{{USER_EMAIL}}",
        "X-Hoheit-Message-Id": "",
    }
    async with (
        serve(files_server.create_app(files_settings)) as url,
        httpx2.AsyncClient(headers=headers) as http,
        client_at(url, http, "auto") as client,
    ):
        await client.call_tool("search", {"query": "Zauberwort Straße"})
        await client.call_tool("read", {"path": "offen/notiz.txt"})
        await client.call_tool("read", {"path": "offen/../Zauberwort"})
        await client.call_tool("read", {"path": "offen/notiz.txt", "start": "Zauberwort"})
        await client.call_tool("Zauberwort", {})
    lines = [
        json.loads(JsonLines().format(record))
        for record in caplog.records
        if record.name == "mcp_servers.audit"
    ]
    assert [(line["tool"], line["status"]) for line in lines] == [
        ("search", "ok"),
        ("read", "ok"),
        ("read", "refused"),
        ("read", "invalid"),
        ("(unknown)", "invalid"),
    ]
    assert lines[0]["rows"] == 1
    assert lines[1]["subjects"] == ["offen"]
    assert lines[1]["chars"] > 20
    assert {line["chat"] for line in lines} == {"chat-7"}
    assert {line["user"] for line in lines} == {"user-3"}
    assert {line["message"] for line in lines} == {None}
    for record in caplog.records:
        logged = JsonLines().format(record)
        assert not any(word in logged for word in SECRET_WORDS), logged
        assert TOKEN not in logged


@pytest.mark.parametrize("raw", ["", "  ", "{{CHAT_ID}}", "{{ CHAT_ID }}"])
def test_unresolved_templates_count_as_absent(raw: str) -> None:
    assert Caller.from_headers({"x-hoheit-chat-id": raw}).chat is None


def test_header_values_cannot_break_a_log_line() -> None:
    caller = Caller.from_headers({"x-hoheit-chat-id": "a\r\nb\x1b[31m" + "c" * 500})
    assert caller.chat is not None
    assert len(caller.chat) == 200
    assert caller.chat.startswith("ab[31m")


def site(**limits: float) -> SiteServer:
    """A server with a tool that waits for its event, one that crashes, and one that says much."""
    server = SiteServer("site", "", ServerSettings.model_validate(limits))
    event = threading.Event()

    async def wait() -> str:
        await server.in_thread(event.wait, 20)
        return "waited"

    async def release() -> str:
        event.set()
        return "released"

    async def crash() -> str:
        raise RuntimeError("a secret in a crash")

    async def talk() -> str:
        note(subject="x", rows=3)
        return "x" * 5_000

    for tool in (wait, release, crash, talk):
        server.add_tool(tool, structured_output=False)
    server.health = lambda: {"released": event.is_set()}
    return server


async def test_a_call_that_takes_too_long_ends_and_says_so() -> None:
    async with Client(site(call_timeout_s=0.1)) as client:
        result = await client.call_tool("wait", {})
        await client.call_tool("release", {})
    assert result.is_error
    assert "longer than 0.1 seconds" in text_of(result)


async def test_a_crash_shows_nothing_of_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async with Client(site()) as client:
        result = await client.call_tool("crash", {})
    assert result.is_error
    assert "secret" not in text_of(result)
    assert "secret" not in caplog.text
    (line,) = [r for r in caplog.records if r.getMessage() == "tool crashed"]
    assert "test_mcp_serving.py" in JsonLines().format(line)


async def test_a_result_that_is_too_long_is_cut() -> None:
    async with Client(site(max_result_chars=1_000)) as client:
        result = await client.call_tool("talk", {})
    assert text_of(result) == "x" * 1_000 + "\n[cut: result too long]"


async def test_calls_take_turns_and_too_many_are_refused() -> None:
    server = site(max_concurrent_calls=1, max_waiting_calls=1)
    async with Client(server) as client:
        first = asyncio.create_task(client.call_tool("wait", {}))
        async with asyncio.timeout(10):
            while not server._slots.locked():
                await asyncio.sleep(0.01)
        second = asyncio.create_task(client.call_tool("talk", {}))
        async with asyncio.timeout(10):
            while not server._waiting:
                await asyncio.sleep(0.01)
        third = await client.call_tool("talk", {})
        assert third.is_error
        assert "busy" in text_of(third)
        assert not second.done()
        first.cancel()
        assert text_of(await second).startswith("xxx")


async def test_stdio_needs_no_token(documents: Path) -> None:
    code = (
        "from mcp_servers.files.server import serve\n"
        "from mcp_servers.files.settings import FilesSettings, RootSettings\n"
        f"serve(FilesSettings(roots=(RootSettings(name='r', path={str(documents / 'offen')!r}),)),"
        " transport='stdio')"
    )
    parameters = StdioServerParameters(command=sys.executable, args=["-c", code])
    for mode in ("legacy", "auto"):
        async with Client(parameters, mode=mode) as client:
            result = await client.call_tool("read", {"path": "r/haushalt.pdf#page=2"})
            assert "4711" in text_of(result)


async def test_databases_answer_on_stdio(databases_settings: DatabasesSettings) -> None:
    url = databases_settings.databases[0].url.get_secret_value()
    code = (
        "from mcp_servers.databases.server import serve\n"
        "from mcp_servers.databases.settings import DatabasesSettings\n"
        "serve(DatabasesSettings.model_validate("
        f"{{'databases': [{{'name': 'town', 'url': {url!r}}}]}}), transport='stdio')"
    )
    async with Client(StdioServerParameters(command=sys.executable, args=["-c", code])) as client:
        result = await client.call_tool("list", {})
    assert text_of(result) == "town (internal): SQLite, 1 tables"


def start(port: int, documents: Path) -> subprocess.Popen[str]:
    code = (
        "from mcp_servers.files.server import serve\n"
        "from mcp_servers.files.settings import FilesSettings\n"
        f"serve(FilesSettings.model_validate({{'port': {port}, 'token': 't',"
        f" 'roots': [{{'name': 'r', 'path': {str(documents / 'offen')!r}}}]}}))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_a_signal_and_leaves_no_process(documents: Path, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = start(port, documents)
    deadline = time.monotonic() + 30
    health: dict[str, object] = {"indexing": True}
    while health["indexing"]:
        assert time.monotonic() < deadline
        assert process.poll() is None
        try:
            health = httpx2.get(f"http://127.0.0.1:{port}/health").json()
        except httpx2.TransportError:
            time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(number)
    _, logged = process.communicate(timeout=20)
    assert process.returncode in (0, -number)
    assert "Traceback" not in logged
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    assert all(json.loads(line) for line in logged.splitlines())


def test_a_port_in_use_is_a_clear_error(documents: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = start(taken.getsockname()[1], documents)
        _, logged = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "Address already in use" in logged


async def test_without_a_token_the_sdk_client_fails(
    serve: Serve, files_settings: FilesSettings
) -> None:
    async with serve(files_server.create_app(files_settings)) as url:
        with pytest.raises((MCPError, ExceptionGroup, httpx2.HTTPStatusError)):
            async with Client(f"{url}/mcp") as client:
                await client.call_tool("list", {})

"""Nothing is returned whose labels are not registered, over real connections to a registry."""

import asyncio
import hashlib
import logging
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from conftest import LABELS_KEY, Adapter, Serve
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent
from pydantic import SecretStr, ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from mcp_servers import labels
from mcp_servers.audit import Caller, JsonLines
from mcp_servers.databases import server as databases_server
from mcp_servers.databases.settings import DatabasesSettings
from mcp_servers.errors import SettingsError
from mcp_servers.files import server as files_server
from mcp_servers.files.settings import FilesSettings
from mcp_servers.serving import http_app
from mcp_servers.settings import ServerSettings
from mcp_servers.site import SiteServer

TOKEN = "right-token"
CHAT = {"X-Hoheit-Chat-Id": "chat-7", "X-Hoheit-User-Id": "user-3", "X-Hoheit-Message-Id": "m-1"}
CITIZENS = """
CREATE TABLE citizens (id INTEGER PRIMARY KEY, last_name TEXT, born_on TEXT, iban TEXT, city TEXT);
INSERT INTO citizens VALUES
    (1, 'Lang', '1980-03-05', 'DE54999904174172785347', 'Lindenau'),
    (2, 'von  der | Aue', '1991-12-24', NULL, 'Lindenau');
"""
LABELS = {"citizens.last_name": "person", "citizens.born_on": "date", "citizens.iban": "iban"}


@pytest.fixture
def town(tmp_path: Path) -> Path:
    path = tmp_path / "town.db"
    with sqlite3.connect(path) as db:
        db.executescript(CITIZENS)
    db.close()
    return path


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


async def test_what_a_query_returns_is_registered_first(
    serve: Serve, adapter: Adapter, town: Path
) -> None:
    sql = "SELECT * FROM citizens ORDER BY id"
    failed, text = await query(serve, databases(town, adapter), sql)
    assert not failed
    assert "| 1 | Lang | 1980-03-05 | DE54999904174172785347 | Lindenau |" in text
    (body,) = adapter.registered
    assert body.pop("digest") == hashlib.sha256("".join(text.split()).encode()).hexdigest()
    assert body == {
        "chat": "chat-7",
        "user": "user-3",
        "message": "m-1",
        "source": "databases/town",
        "class": "internal",
        "passages": 1,
        "values": [
            {"kind": "person", "text": "Lang"},
            {"kind": "date", "text": "1980-03-05"},
            {"kind": "iban", "text": "DE54999904174172785347"},
            {"kind": "person", "text": "von  der | Aue"},
            {"kind": "person", "text": "von der \\| Aue"},
            {"kind": "date", "text": "1991-12-24"},
        ],
    }


async def test_passages_are_registered_with_the_class_of_their_root(
    serve: Serve, adapter: Adapter, documents: Path
) -> None:
    (documents / "offen" / "aushang.txt").write_text("Telearbeit im Rathaus", encoding="utf-8")
    app = files_server.create_app(files(documents, adapter))
    async with talking_to(serve, app, CHAT) as client:
        await indexed(client)
        adapter.registered.clear()
        failed, text = await call(client, "search", query="Telearbeit", limit=20)
        assert not failed
        shown = {root: text.count(f"] {root}/") for root in ("offen", "intern")}
        assert all(shown.values())
        found = {body["source"]: (body["class"], body["passages"]) for body in adapter.registered}
        assert found == {
            "files/offen": ("public", shown["offen"]),
            "files/intern": ("confidential", shown["intern"]),
        }
        adapter.registered.clear()
        await call(client, "read", path="intern/dienst.docx")
        await call(client, "list", path="intern")
        await call(client, "list", depth=2)
        # What a refusal tells of a document is registered as well.
        failed, text = await call(client, "read", path="intern/dienst.docx#section=nix")
        assert failed
        assert "Telearbeit" in text
    assert [(body["source"], body["passages"]) for body in adapter.registered] == [
        ("files/intern", 1),
        ("files/intern", 0),
        ("files/offen", 0),
        ("files/intern", 0),
        ("files/intern", 0),
    ]
    assert {body["class"] for body in adapter.registered if "intern" in body["source"]} == {
        "confidential"
    }
    assert all(body["values"] == [] for body in adapter.registered)


async def test_a_result_of_no_source_is_registered_as_such(
    serve: Serve, adapter: Adapter, documents: Path
) -> None:
    app = files_server.create_app(files(documents, adapter))
    async with talking_to(serve, app, CHAT) as client:
        _, listed = await call(client, "list")
        await indexed(client)
        adapter.registered[1:] = []
        _, nothing = await call(client, "search", query="Zauberwort")
        refused, text = await call(client, "read", path="nirgends/x.txt")
    assert refused
    assert [(body["source"], body["class"]) for body in adapter.registered] == [
        ("files", "public")
    ] * 3
    assert [body["digest"] for body in adapter.registered] == [
        labels.digest_of(each) for each in (listed, nothing, text)
    ]


def answers(content: object, status: int = 201) -> Response:
    return JSONResponse(content, status)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda _: answers({"registered": 1}, 200), "status 200"),
        (lambda _: answers({"error": "no"}, 401), "status 401"),
        (lambda _: answers({"error": "no"}, 500), "status 500"),
        (lambda _: Response(status_code=307, headers={"Location": "/elsewhere"}), "status 307"),
        (lambda _: PlainTextResponse("created", 201), "says nothing about labels"),
        (lambda _: PlainTextResponse(b"\xff\xfe", 201), "says nothing about labels"),
        (lambda _: answers([1]), "says nothing about labels"),
        (lambda _: answers({"registered": True}), "says nothing about labels"),
        (lambda _: answers({"registered": "3"}), "says nothing about labels"),
        (lambda _: answers({"registered": -1}), "says nothing about labels"),
        (lambda _: answers({}), "says nothing about labels"),
    ],
)
async def test_any_other_answer_means_no_result(
    serve: Serve,
    adapter: Adapter,
    town: Path,
    caplog: pytest.LogCaptureFixture,
    answer: Any,
    says: str,
) -> None:
    caplog.set_level(logging.DEBUG, "mcp_servers")
    adapter.answer = answer
    failed, text = await query(serve, databases(town, adapter), "SELECT last_name FROM citizens")
    assert failed
    assert says in text
    for record in caplog.records:
        logged = JsonLines().format(record)
        assert not any(word in logged + text for word in ("Lang", LABELS_KEY, "last_name"))
    assert '"status": "unregistered"' in JsonLines().format(
        next(record for record in caplog.records if record.name == "mcp_servers.audit")
    )


async def test_an_adapter_that_is_not_there_means_no_result(
    serve: Serve, town: Path, documents: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody = Adapter(f"http://127.0.0.1:{probe.getsockname()[1]}")
    failed, text = await query(serve, databases(town, nobody), "SELECT 1")
    assert failed
    assert "cannot be reached (ConnectError)" in text
    app = files_server.create_app(files(documents, nobody))
    async with talking_to(serve, app, CHAT) as client:
        for tool, arguments in (
            ("search", {"query": "Hunde"}),
            ("read", {"path": "offen/notiz.txt"}),
            ("list", {}),
        ):
            failed, text = await call(client, tool, **arguments)
            assert failed
            assert "Hund" not in text and "Straße" not in text


async def test_an_adapter_that_does_not_answer_in_time_means_no_result(
    serve: Serve, adapter: Adapter, town: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "_TIMEOUT_S", 0.2)
    adapter.delay_s = 2
    failed, text = await query(serve, databases(town, adapter), "SELECT last_name FROM citizens")
    assert failed
    assert "did not answer within 0.2 seconds" in text


async def test_the_calls_own_limit_holds_for_the_registration_too(
    serve: Serve, adapter: Adapter, town: Path
) -> None:
    adapter.delay_s = 1
    settings = databases(town, adapter).model_copy(update={"call_timeout_s": 0.3})
    failed, text = await query(serve, settings, "SELECT last_name FROM citizens")
    assert failed
    assert "Lang" not in text


async def test_a_connection_that_the_adapter_closed_meanwhile_is_opened_again(town: Path) -> None:
    """A server that answers one request on each connection and closes it without saying so."""
    seen = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        seen += 1
        if seen != 2:
            body = b'{"registered": 0}'
            writer.write(
                b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            await writer.drain()
        if seen > 1:
            writer.close()
            return
        # The second request comes on the same connection and finds it closed.
        await reader.readuntil(b"\r\n\r\n")
        seen += 1
        writer.transport.abort()

    listener = await asyncio.start_server(once, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    settings = ServerSettings(labels_url=url, labels_key=SecretStr(LABELS_KEY))
    registry = labels.Registry("site", settings)
    caller = Caller(chat="c")
    try:
        await registry.register(caller, {}, "one")
        await registry.register(caller, {}, "two")
    finally:
        await registry.aclose()
        listener.close()
    assert seen == 3


async def test_many_values_are_registered_in_several_requests_and_all_or_nothing(
    serve: Serve, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "MAX_VALUES", 100)
    server = SiteServer(
        "site", "", ServerSettings.model_validate({**adapter.settings, "token": TOKEN})
    )
    found = [labels.Value("code", f"K-{number}") for number in range(250)]

    async def many() -> str:
        labels.label("databases/x", "internal", 1, found)
        return "many"

    server.add_tool(many, structured_output=False)
    app = http_app(server, ServerSettings(token=SecretStr(TOKEN)))
    async with talking_to(serve, app, CHAT) as client:
        assert await call(client, "many") == (False, "many")
        assert [len(body["values"]) for body in adapter.registered] == [100, 100, 50]
        assert [body["passages"] for body in adapter.registered] == [1, 0, 0]
        assert adapter.values() == {("code", value.text) for value in found}
        adapter.answer = lambda body: answers(
            {"registered": 100}, 201 if len(body["values"]) == 100 else 503
        )
        failed, text = await call(client, "many")
    assert failed
    assert "status 503" in text


@pytest.mark.parametrize(
    "headers", [{}, {"X-Hoheit-Chat-Id": ""}, {"X-Hoheit-Chat-Id": "{{CHAT_ID}}"}]
)
async def test_without_a_chat_only_what_needs_no_protection_is_returned(
    serve: Serve, adapter: Adapter, town: Path, documents: Path, headers: dict[str, str]
) -> None:
    settings = databases(town, adapter)
    failed, text = await query(serve, settings, "SELECT last_name FROM citizens", headers)
    assert failed
    assert "X-Hoheit-Chat-Id" in text
    assert "Lang" not in text
    failed, text = await query(serve, settings, "SELECT city, count(*) FROM citizens", headers)
    assert not failed
    assert "| Lindenau | 2 |" in text
    app = files_server.create_app(files(documents, adapter))
    async with talking_to(serve, app, headers) as client:
        await indexed(client)
        assert not (await call(client, "read", path="offen/notiz.txt"))[0]
        for tool, arguments in (
            ("read", {"path": "intern/dienst.docx"}),
            ("read", {"path": "intern/dienst.docx#section=nix"}),
            ("search", {"query": "Telearbeit"}),
            ("list", {"path": "intern"}),
            ("list", {"depth": 2}),
        ):
            failed, text = await call(client, tool, **arguments)
            assert failed
            assert "X-Hoheit-Chat-Id" in text
            assert "Telearbeit" not in text and "dienst.docx" not in text
    assert adapter.registered == []


async def test_a_server_without_an_adapter_works_for_data_that_needs_none(
    serve: Serve, town: Path, documents: Path
) -> None:
    settings = databases(town, None, labels={})
    failed, text = await query(serve, settings, "SELECT last_name FROM citizens WHERE id = 1")
    assert not failed
    assert "| Lang |" in text
    app = files_server.create_app(files(documents, None, offen="public", intern="internal"))
    async with talking_to(serve, app, CHAT) as client:
        assert not (await call(client, "read", path="intern/dienst.docx"))[0]


@pytest.mark.parametrize("given", [{}, {"labels_key": LABELS_KEY}, {"labels_url": "http://a:1"}])
@pytest.mark.parametrize("what", ["labels", "confidential", "secret", "root"])
def test_a_server_with_protected_data_and_no_adapter_does_not_start(
    town: Path, documents: Path, given: dict[str, str], what: str
) -> None:
    with pytest.raises(SettingsError, match=r"nobody could protect") as caught:
        if what == "root":
            base = files(documents, None).model_dump()
            files_server.create_server(FilesSettings.model_validate({**base, **given}))
        else:
            database = {} if what == "labels" else {"labels": {}, "data_class": what}
            base = databases(town, None, **database).model_dump()
            databases_server.create_server(DatabasesSettings.model_validate({**base, **given}))
    assert LABELS_KEY not in str(caught.value)
    assert "labels_url" in str(caught.value)


@pytest.mark.parametrize("label", ["citizens.surname", "citizen.last_name", "main.citizens.nix"])
def test_a_label_of_a_column_that_does_not_exist_is_an_error_at_the_start(
    town: Path, label: str
) -> None:
    settings = databases(town, Adapter("http://127.0.0.1:1"), labels={**LABELS, label: "person"})
    with pytest.raises(SettingsError, match=f"column '{label}', which does not exist"):
        databases_server.create_server(settings)


async def test_a_labelled_column_that_is_renamed_stops_the_database(
    serve: Serve, adapter: Adapter, town: Path
) -> None:
    app = databases_server.create_app(databases(town, adapter))
    async with talking_to(serve, app, CHAT) as client:
        with sqlite3.connect(town) as db:
            db.execute("ALTER TABLE citizens RENAME COLUMN last_name TO surname")
        db.close()
        failed, text = await call(client, "query", database="town", sql="SELECT * FROM citizens")
    assert failed
    assert "'citizens.last_name', which does not exist" in text
    assert "Lang" not in text


@pytest.mark.parametrize(
    "labels", [{"last_name": "person"}, {"a.b.c.d": "person"}, {"a.b": "name"}]
)
def test_a_label_is_a_table_a_column_and_a_known_kind(labels: dict[str, str]) -> None:
    entry = {"name": "x", "url": "sqlite:///x.db", "labels": labels}
    with pytest.raises(ValidationError, match="labels"):
        DatabasesSettings.model_validate({"databases": [entry]})


async def test_an_error_of_the_engine_quotes_no_value(
    serve: Serve, adapter: Adapter, town: Path
) -> None:
    """`json_extract` quotes the path that it cannot read, which here is a name."""
    sql = "SELECT json_extract('{}', last_name) FROM citizens"
    settings = databases(town, adapter)
    failed, text = await query(serve, settings, sql)
    assert failed
    assert "Lang" not in text
    assert "SQLite refuses the statement (SQLITE_ERROR)" in text
    assert "citizens(id INTEGER pk, last_name TEXT" in text
    _, shown = await query(serve, databases(town, None, labels={}), sql)
    assert "Lang" in shown


async def test_long_values_are_registered_as_they_are_shown(
    serve: Serve, adapter: Adapter, town: Path
) -> None:
    long, longest = "Wort " * 30, "x" * 5_000
    with sqlite3.connect(town) as db:
        db.execute("INSERT INTO citizens (id, last_name) VALUES (3, ?), (4, ?)", (long, longest))
    db.close()
    settings = databases(town, adapter).model_copy(
        update={"max_cell_chars": 100, "max_result_chars": 20_000}
    )
    sql = "SELECT last_name FROM citizens WHERE id > 2 ORDER BY id"
    _, text = await query(serve, settings, sql)
    shown = [line.strip("| ").removesuffix("…").strip() for line in text.split("\n")[2:4]]
    assert adapter.values() == {("person", long.strip()), *(("person", each) for each in shown)}
    adapter.registered.clear()
    settings = settings.model_copy(update={"max_cell_chars": 4_000})
    _, text = await query(serve, settings, sql)
    assert ("person", "x" * 999) in adapter.values()
    assert "x" * 1_000 not in text


async def test_rows_that_do_not_fit_are_neither_shown_nor_registered(
    serve: Serve, adapter: Adapter, town: Path
) -> None:
    with sqlite3.connect(town) as db:
        names = [(number, f"Name{number}") for number in range(10, 200)]
        db.executemany("INSERT INTO citizens (id, last_name) VALUES (?, ?)", names)
    db.close()
    settings = databases(town, adapter).model_copy(update={"max_result_chars": 1_000})
    _, text = await query(serve, settings, "SELECT last_name FROM citizens WHERE id >= 10")
    shown = {line.strip("| ") for line in text.split("\n") if line.startswith("| Name")}
    assert 0 < len(shown) < 190
    assert adapter.values() == {("person", name) for name in shown}


def test_the_labels_of_the_example_site_fit_its_database() -> None:
    from hoheit.settings import _example_databases

    (example,) = _example_databases()
    given = {"labels_url": "http://127.0.0.1:1", "labels_key": LABELS_KEY}
    settings = DatabasesSettings.model_validate({"databases": [example.model_dump()], **given})
    assert databases_server.create_server(settings).health() == {"databases": 1}

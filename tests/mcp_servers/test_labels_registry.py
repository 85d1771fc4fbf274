"""What is labelled is registered before it is returned, over real connections to a registry."""

import asyncio
import hashlib
import sqlite3
from pathlib import Path

import pytest
from conftest import LABELS_KEY, Adapter, Serve
from labelled_site import CHAT, TOKEN, call, databases, files, indexed, query, talking_to
from pydantic import SecretStr
from starlette.responses import JSONResponse

from mcp_servers import labels
from mcp_servers.audit import Caller
from mcp_servers.databases import server as databases_server
from mcp_servers.databases.settings import DatabasesSettings
from mcp_servers.files import server as files_server
from mcp_servers.serving import http_app
from mcp_servers.settings import ServerSettings
from mcp_servers.site import SiteServer


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
        adapter.answer = lambda body: JSONResponse(
            {"registered": 100}, 201 if len(body["values"]) == 100 else 503
        )
        failed, text = await call(client, "many")
    assert failed
    assert "status 503" in text


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
    from hoheit.example_site import example_databases

    (example,) = example_databases()
    given = {"labels_url": "http://127.0.0.1:1", "labels_key": LABELS_KEY}
    settings = DatabasesSettings.model_validate({"databases": [example.model_dump()], **given})
    assert databases_server.create_server(settings).health() == {"databases": 1}

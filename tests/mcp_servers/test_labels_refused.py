"""Nothing is returned whose labels are not registered, and no server starts that could not register them."""

import logging
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from conftest import LABELS_KEY, Adapter, Serve
from labelled_site import CHAT, LABELS, call, databases, files, indexed, query, talking_to
from pydantic import ValidationError
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mcp_servers import labels
from mcp_servers.audit import JsonLines
from mcp_servers.databases import server as databases_server
from mcp_servers.databases.settings import DatabasesSettings
from mcp_servers.errors import SettingsError
from mcp_servers.files import server as files_server
from mcp_servers.files.settings import FilesSettings


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

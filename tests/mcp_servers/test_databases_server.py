"""The databases server reads, says what it read, and cannot be made to write or run on."""

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from mcp import Client
from mcp_types import CallToolResult, TextContent
from pydantic import ValidationError

from mcp_servers.databases.engines import fetch, open_database, preparation
from mcp_servers.databases.results import Limits, cell, result
from mcp_servers.databases.server import create_server
from mcp_servers.databases.settings import DatabaseSettings, DatabasesSettings
from mcp_servers.errors import QueryError, SettingsError

Call = Callable[..., Awaitable[CallToolResult]]


@pytest.fixture
def town(tmp_path: Path) -> Path:
    path = tmp_path / "town with # and ü.db"
    with sqlite3.connect(path) as db:
        db.executescript(
            """
            CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL, photo BLOB);
            CREATE TABLE hund (
                id INTEGER PRIMARY KEY, name TEXT, owner INTEGER REFERENCES person (id), tax REAL
            );
            CREATE VIEW taxed AS SELECT name, tax FROM hund WHERE tax > 0;
            CREATE TABLE number (n INTEGER);
            CREATE VIRTUAL TABLE note USING fts5(text);
            INSERT INTO person VALUES (1, 'Ada', x'00ff'), (2, 'Bert | Söhne', NULL);
            INSERT INTO hund VALUES (1, 'Rex', 1, 96.1), (2, 'Bello', 2, 144);
            INSERT INTO note VALUES ('Baustelle am Markt');
            WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500)
            INSERT INTO number SELECT n FROM c;
            """
        )
    db.close()
    return path


def settings_for(path: Path, **more: object) -> DatabasesSettings:
    database = DatabaseSettings.model_validate(
        {"name": "town", "url": f"sqlite:///{path}", "data_class": "internal"}
    )
    return DatabasesSettings.model_validate({"databases": (database,), **more})


async def call(settings: DatabasesSettings, tool: str, **arguments: object) -> tuple[bool, str]:
    """Whether the tool failed, and its text."""
    async with Client(create_server(settings)) as client:
        result = await client.call_tool(tool, arguments)
    assert result.structured_content is None
    (block,) = result.content
    assert isinstance(block, TextContent)
    return bool(result.is_error), block.text


async def query(settings: DatabasesSettings, sql: str) -> tuple[bool, str]:
    return await call(settings, "query", database="town", sql=sql)


async def test_lists_databases_with_class_and_size(town: Path) -> None:
    assert await call(settings_for(town), "list") == (False, _LISTED)


_LISTED = "town (internal): SQLite, 5 tables"


async def test_describes_all_tables_in_a_line_each(town: Path) -> None:
    failed, text = await call(settings_for(town), "describe", database="Town")
    assert not failed
    assert "hund(id INTEGER pk, name TEXT, owner INTEGER -> person.id, tax REAL)  2 rows" in text
    assert "taxed(name TEXT, tax REAL)  view" in text


async def test_describes_one_table_column_by_column(town: Path) -> None:
    _, text = await call(settings_for(town), "describe", database="town", table="PERSON")
    assert text.split("\n") == [
        "town (internal), SQLite, table person, 2 rows",
        "id INTEGER pk",
        "name TEXT not null",
        "photo BLOB",
    ]


async def test_a_result_is_a_table_with_its_source(town: Path) -> None:
    assert await query(settings_for(town), "select * from person order by id") == (
        False,
        "| id | name | photo |\n| --- | --- | --- |\n| 1 | Ada | <2 bytes> |\n"
        "| 2 | Bert \\| Söhne | NULL |\n\nrows: 2\n"
        "source: query on database town (internal): SELECT * FROM person ORDER BY id",
    )


async def test_more_rows_than_allowed_are_cut_and_said_so(town: Path) -> None:
    _, text = await query(settings_for(town, max_rows=3), "select n from number order by n")
    assert "| 3 |\n\nrows: first 3 (truncated, there are more" in text
    _, text = await query(settings_for(town, max_rows=3), "select n from number where n <= 3")
    assert "rows: 3\n" in text


async def test_long_results_and_cells_are_cut_and_said_so(town: Path) -> None:
    settings = settings_for(town, max_rows=500, max_result_chars=1_000, max_cell_chars=20)
    _, text = await query(settings, "select n, hex(printf('%.100c', 'x')) as long from number")
    assert len(text) <= 1_000
    assert "… |" in text
    assert "of 500 (truncated" in text


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select nothing from hund", "hund(id INTEGER pk, name TEXT"),
        ("select * from katze", "Tables: hund, note,"),
        ("delete from hund", "Only reading"),
        ("select 1; drop table hund", "exactly one"),
        ("select name regexp '(a+)+$' from hund", "not authorized"),
        ("select load_extension('x')", "may not be called"),
        ("select json('{')", "malformed JSON"),
    ],
)
async def test_a_refused_statement_says_why_and_what_there_is(
    town: Path, sql: str, says: str
) -> None:
    failed, text = await query(settings_for(town), sql)
    assert failed
    assert says in text
    assert str(town.parent) not in text


@pytest.mark.parametrize("name", ["", "nix", "../town", "town'--", "x" * 1000])
async def test_an_unknown_database_is_answered_with_the_known_ones(town: Path, name: str) -> None:
    failed, text = await call(settings_for(town), "query", database=name, sql="select 1")
    assert failed
    assert "Databases: town." in text


async def test_full_text_tables_can_be_searched(town: Path) -> None:
    _, text = await query(settings_for(town), "select text from note where note match 'markt'")
    assert "Baustelle am Markt" in text
    _, text = await query(settings_for(town), "select value from json_each('[\"from json\"]')")
    assert "from json" in text


ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c"


async def test_a_query_without_end_is_stopped(town: Path) -> None:
    failed, text = await query(settings_for(town, query_timeout_s=0.2), ENDLESS)
    assert failed
    assert "longer than 0.2 seconds" in text


async def test_a_value_without_end_is_refused(town: Path) -> None:
    failed, text = await query(settings_for(town), "select printf('%.*c', 1000000000, 'x')")
    assert failed or len(text) < 2_000


WRITES = [
    "insert into hund values (9, 'x', 1, 1)",
    "update hund set name = 'x'",
    "delete from hund",
    "drop table hund",
    "create table t (a)",
    "create temp table t (a)",
    "attach database ':memory:' as other",
    "pragma query_only = off",
    "pragma table_info(hund)",
    "pragma journal_mode = wal",
    "select * from pragma_table_info('hund')",
    "select load_extension('x')",
    "select randomblob(10)",
    "select sqlite_source_id()",
    "select changes()",
    "vacuum",
    "reindex",
    "analyze",
    "begin",
    "savepoint a",
]


@pytest.mark.parametrize("sql", WRITES)
def test_the_engine_refuses_by_itself_what_the_guard_refuses(town: Path, sql: str) -> None:
    """Without the guard in front: the second lock holds alone."""
    before = town.read_bytes()
    database = open_database(settings_for(town).databases[0])
    with pytest.raises(QueryError):
        fetch(database, sql, 10, 5)
    assert town.read_bytes() == before
    assert [path.name for path in town.parent.iterdir()] == [town.name]


async def test_reading_while_somebody_writes_works(town: Path) -> None:
    writer = sqlite3.connect(town)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO number VALUES (501)")
    try:
        _, text = await query(settings_for(town), "select count(*) as n from number")
    finally:
        writer.rollback()
        writer.close()
    assert "| 500 |" in text


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////no/such/file.db",
        "oracle://user:hunter2@db/x",
        "postgresql+nodriver://user:hunter2@db/x",
        "not a url hunter2",
    ],
)
def test_an_address_that_cannot_work_is_refused_at_start(url: str) -> None:
    settings = DatabasesSettings.model_validate({"databases": [{"name": "x", "url": url}]})
    with pytest.raises(SettingsError) as caught:
        create_server(settings)
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_show_passwords() -> None:
    settings = DatabaseSettings.model_validate({"name": "x", "url": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


def test_two_databases_of_one_name_are_refused(town: Path) -> None:
    one = {"name": "a", "url": f"sqlite:///{town}"}
    with pytest.raises(ValidationError, match="each needs its own"):
        DatabasesSettings.model_validate({"databases": [one, {**one, "name": "A"}]})


async def test_a_database_that_vanished_is_an_error_without_its_place(town: Path) -> None:
    settings = settings_for(town)
    server = create_server(settings)
    town.unlink()
    async with Client(server) as client:
        result = await client.call_tool("query", {"database": "town", "sql": "select 1"})
        listed = await client.call_tool("list", {})
    assert result.is_error
    assert isinstance(result.content[0], TextContent)
    assert "cannot be reached" in result.content[0].text
    assert str(town.parent) not in result.content[0].text
    assert isinstance(listed.content[0], TextContent)
    assert "cannot be reached now" in listed.content[0].text


def test_servers_are_told_to_read_only_and_to_stop_in_time() -> None:
    assert preparation("postgres", False, 2.5)[:2] == (
        "SET TRANSACTION READ ONLY",
        "SET LOCAL statement_timeout = 2500",
    )
    assert preparation("mysql", False, 2.5)[:2] == (
        "SET SESSION TRANSACTION READ ONLY",
        "SET SESSION max_execution_time = 2500",
    )
    assert "SET SESSION max_statement_time = 2.5" in preparation("mysql", True, 2.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (b"abc", "<3 bytes>"),
        (0.1 + 0.2, "0.3"),
        (12, "12"),
        ("a\n| b", "a \\| b"),
        ("x" * 30, "x" * 19 + "…"),
    ],
)
def test_a_cell_is_short_and_on_one_line(value: object, text: str) -> None:
    assert cell(value, 20) == text


def test_a_statement_in_the_source_line_stays_on_one_line(town: Path) -> None:
    database = open_database(settings_for(town).databases[0])
    rows = fetch(database, "SELECT 'a\nb' AS x", 10, 5)
    shown = result(rows, (None,), "town", "public", "SELECT 'a\nb' AS x", Limits(100, 10_000))
    assert shown.values == ()
    assert shown.text.endswith("source: query on database town (public): SELECT 'a b' AS x")

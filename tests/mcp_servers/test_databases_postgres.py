"""The databases server on a real PostgreSQL: it reads, and nothing but reading is possible."""

from collections.abc import Iterator

import pytest
from mcp import Client
from mcp_types import TextContent
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from mcp_servers.databases.engines import Database, fetch, open_database
from mcp_servers.databases.server import create_server
from mcp_servers.databases.settings import DatabaseSettings, DatabasesSettings
from mcp_servers.errors import QueryError

DOGS = [
    "CREATE TABLE dogs (id serial PRIMARY KEY, name text NOT NULL, tax numeric(6, 2), born date)",
    "COMMENT ON TABLE dogs IS 'registered dogs'",
    "INSERT INTO dogs (name, tax, born)"
    " SELECT 'dog ' || n, 96, date '2020-01-01' + n FROM generate_series(1, 300) AS n",
]


@pytest.fixture(scope="module")
def town(postgres: str) -> DatabaseSettings:
    engine = create_engine(postgres)
    with engine.begin() as connection:
        for statement in DOGS:
            connection.execute(text(statement))
    engine.dispose()
    return DatabaseSettings(name="town", url=SecretStr(postgres), data_class="internal")


@pytest.fixture
def database(town: DatabaseSettings) -> Iterator[Database]:
    database = open_database(town)
    yield database
    database.engine.dispose()


async def call(town: DatabaseSettings, tool: str, **arguments: str) -> tuple[bool, str]:
    server = create_server(DatabasesSettings(databases=(town,), query_timeout_s=1))
    async with Client(server) as client:
        result = await client.call_tool(tool, arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    return bool(result.is_error), content.text


async def test_it_is_listed_and_described_with_types_keys_and_comments(
    town: DatabaseSettings,
) -> None:
    assert await call(town, "list") == (False, "town (internal): PostgreSQL, 1 tables")
    failed, said = await call(town, "describe", database="town", table="dogs")
    assert not failed
    assert "registered dogs" in said
    assert "id INTEGER pk" in said
    assert "name TEXT not null" in said


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("SELECT count(*), sum(tax) FROM dogs WHERE name ILIKE 'DOG 1%'", "| 111 | 10656.00 |"),
        (
            "SELECT tax::int, extract(year FROM born), '100%' FROM dogs WHERE id = 7",
            "| 96 | 2020 | 100% |",
        ),
        ("WITH d AS (SELECT id FROM dogs ORDER BY id LIMIT 3) SELECT max(id) FROM d", "| 3 |"),
        ("SELECT string_agg(name, ', ' ORDER BY id) FROM dogs WHERE id < 3", "| dog 1, dog 2 |"),
    ],
)
async def test_queries_in_its_own_dialect_are_answered_and_cited(
    town: DatabaseSettings, sql: str, row: str
) -> None:
    failed, said = await call(town, "query", database="town", sql=sql)
    assert not failed, said
    assert row in said
    assert "source: query on database town (internal): " in said


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM dogs",
        "WITH gone AS (DELETE FROM dogs RETURNING id) SELECT * FROM gone",
        "SELECT pg_sleep(5)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * INTO copied FROM dogs",
        "SELECT * FROM dogs FOR UPDATE",
        "COPY dogs TO '/tmp/dogs'",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "SELECT 1; DROP TABLE dogs",
    ],
)
async def test_what_is_no_reading_is_refused(town: DatabaseSettings, sql: str) -> None:
    failed, _ = await call(town, "query", database="town", sql=sql)
    assert failed
    assert (
        "| 300 |"
        in (await call(town, "query", database="town", sql="SELECT count(*) FROM dogs"))[1]
    )


@pytest.mark.parametrize(
    "sql",
    ["DELETE FROM dogs RETURNING id", "SELECT nextval('dogs_id_seq')", "CREATE TABLE x (y int)"],
)
def test_the_engine_itself_refuses_to_write_should_the_guard_ever_fail(
    database: Database, sql: str
) -> None:
    with pytest.raises(QueryError, match=r"read-only|PostgreSQL says"):
        fetch(database, sql, 10, 5)
    assert fetch(database, "SELECT count(*) FROM dogs", 10, 5).rows == ((300,),)


async def test_a_query_that_runs_too_long_is_stopped(town: DatabaseSettings) -> None:
    sql = "SELECT count(*) FROM dogs a, dogs b, dogs c, dogs d"
    failed, said = await call(town, "query", database="town", sql=sql)
    assert failed
    assert "took longer than 1 seconds and was stopped" in said

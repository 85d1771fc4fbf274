"""Labels follow their values through PostgreSQL's SQL, on a real server."""

from collections.abc import Iterator

import pytest
from conftest import Adapter
from labelled_results import MARK, assert_labels
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from mcp_servers.audit import Caller
from mcp_servers.databases.engines import Database, fetch, open_database
from mcp_servers.databases.labelling import kinds_of, trace
from mcp_servers.databases.results import Limits, result
from mcp_servers.databases.server import create_server, query_text
from mcp_servers.databases.settings import DatabaseSettings, DatabasesSettings
from mcp_servers.errors import LabelError, QueryError
from mcp_servers.labels import Collected, Registry, collected

TOWN = [
    "CREATE TABLE citizens (id serial PRIMARY KEY, last_name text, iban text, born date, city text,"
    " salary numeric(8, 2), tags text[], whole text GENERATED ALWAYS AS (last_name || city) STORED)",
    'CREATE TABLE "Dogs" (id serial PRIMARY KEY, owner_id int, "Name" text, breed text)',
    "CREATE TABLE visits (id int, citizen text, at timestamp) PARTITION BY RANGE (id)",
    "CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE stays (id int, place text) PARTITION BY RANGE (id)",
    "CREATE TABLE stays_1 PARTITION OF stays FOR VALUES FROM (0) TO (100)",
    f"INSERT INTO stays VALUES (1, '{MARK}Gasse')",
    "CREATE SCHEMA other",
    "CREATE TABLE other.citizens (id int, last_name text, town text)",
    "CREATE TABLE other.plain (id int, town text)",
    "CREATE VIEW people AS SELECT id, last_name AS n, city FROM citizens",
    'CREATE VIEW "People" AS SELECT id, city AS n, city FROM citizens',
    "CREATE MATERIALIZED VIEW kept AS SELECT iban, city FROM citizens",
    "CREATE FUNCTION name_of(int) RETURNS text LANGUAGE sql AS"
    " 'SELECT last_name FROM citizens WHERE id = $1'",
    "CREATE VIEW by_function AS SELECT id, name_of(id) AS n FROM citizens",
    f"INSERT INTO citizens (last_name, iban, born, city, salary, tags) VALUES"
    f" ('{MARK}Lang', '{MARK}DE1', '1980-03-05', 'Lindenau', 4711.50, '{{{MARK}a,{MARK}b}}'),"
    f" ('{MARK}Aue', NULL, '1991-12-24', 'Wette', NULL, NULL)",
    "INSERT INTO \"Dogs\" (owner_id, \"Name\", breed) VALUES (1, 'Rex', 'Dackel')",
    f"INSERT INTO visits VALUES (1, '{MARK}Lang', '2026-01-02 03:04')",
    f"INSERT INTO other.citizens VALUES (1, '{MARK}Other', 'Au')",
]
LABELS = {
    "citizens.last_name": "person",
    "public.citizens.iban": "iban",
    "citizens.born": "date",
    "citizens.salary": "code",
    "citizens.tags": "text",
    "Dogs.Name": "text",
    "visits.citizen": "person",
    "stays_1.place": "address",
}


@pytest.fixture(scope="module")
def settings(postgres: str) -> DatabaseSettings:
    engine = create_engine(postgres)
    with engine.begin() as connection:
        for statement in TOWN:
            connection.execute(text(statement.replace(":", r"\:")))
        connection.execute(text("REFRESH MATERIALIZED VIEW kept"))
    engine.dispose()
    given = {"name": "town", "url": SecretStr(postgres), "labels": LABELS}
    return DatabaseSettings.model_validate(given)


@pytest.fixture
def town(settings: DatabaseSettings) -> Iterator[Database]:
    database = open_database(settings)
    yield database
    database.engine.dispose()


CITIZEN = "- person iban date - code text text"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM citizens", CITIZEN),
        ("TABLE citizens", CITIZEN),
        ('SELECT c.*, d.* FROM citizens c JOIN "Dogs" d ON true', f"{CITIZEN} - - text -"),
        ('SELECT "Name", breed FROM "Dogs"', "text -"),
        ("SELECT LAST_NAME, City FROM public.Citizens", "person -"),
        ("SELECT public.citizens.last_name FROM citizens", "person"),
        # A label without a schema holds for the tables of that name in all of them.
        ("SELECT last_name, town FROM other.citizens", "person -"),
        ("SELECT town FROM other.plain", "-"),
        # A row as a whole, and what is taken out of one.
        ("SELECT c FROM citizens c", "text"),
        ("SELECT (c).last_name, (c).city FROM citizens c", "text text"),
        ("SELECT to_jsonb(c) ->> 'iban', json_agg(c) FROM citizens c GROUP BY c.*", "text text"),
        ("SELECT row_to_json FROM (SELECT to_json(c) AS row_to_json FROM citizens c) x", "text"),
        ("SELECT (x).last_name FROM (SELECT c AS x FROM citizens c) q", "text"),
        # Names that the engine makes up.
        ("SELECT upper FROM (SELECT 'upper', upper(last_name) FROM citizens) x", "person"),
        ("SELECT last_name FROM (SELECT last_name::text FROM citizens) x", "person"),
        # Expressions.
        ("SELECT last_name || ', ' || city, concat(iban, last_name) FROM citizens", "person text"),
        ("SELECT born::text, extract(year FROM born), born - 1 FROM citizens", "date text text"),
        ("SELECT to_char(born, 'DD.MM.YYYY'), date_trunc('year', born) FROM citizens", "text text"),
        (
            "SELECT avg(salary), max(salary), round(salary) FROM citizens GROUP BY salary",
            "text code text",
        ),
        ('SELECT string_agg(breed, \',\' ORDER BY "Name") FROM "Dogs"', "-"),
        ("SELECT string_agg(last_name, ','), array_agg(city) FROM citizens", "text -"),
        ("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY last_name) FROM citizens", "text"),
        ("SELECT ARRAY(SELECT last_name FROM citizens), ARRAY[city] FROM citizens", "text -"),
        (
            "SELECT tags[1], array_to_string(tags, '-'), unnest(tags) FROM citizens",
            "text text text",
        ),
        (
            "SELECT count(*), bool_or(last_name ILIKE 'l%'), last_name ~ 'X' FROM citizens GROUP BY 3",
            "- - -",
        ),
        ("SELECT greatest(last_name, city), least(iban, '-') FROM citizens", "person iban"),
        ("SELECT DISTINCT ON (last_name) city FROM citizens", "-"),
        ("SELECT coalesce((SELECT last_name FROM citizens LIMIT 1), '-')", "person"),
        # Functions and subqueries in FROM.
        ("SELECT t FROM citizens, unnest(tags) AS t", "text"),
        ("SELECT city, u.x FROM citizens CROSS JOIN LATERAL unnest(tags) AS u (x)", "- text"),
        ("SELECT l.x FROM citizens c, LATERAL (SELECT c.last_name AS x) l", "person"),
        ("SELECT key, value FROM citizens c, jsonb_each_text(to_jsonb(c))", "text text"),
        ("SELECT g FROM generate_series(1, 3) AS g", "-"),
        ("SELECT a, b FROM (VALUES (1, 'x')) AS v (a, b)", "- -"),
        ("SELECT a FROM citizens AS c (id, a)", "person"),
        # WITH.
        (
            "WITH citizens AS (SELECT * FROM citizens) SELECT last_name, city FROM citizens",
            "person -",
        ),
        (
            "WITH RECURSIVE a (x, n) AS (SELECT last_name, 1 FROM citizens UNION ALL "
            "SELECT x, n + 1 FROM a WHERE n < 3) SELECT x, n FROM a",
            "person -",
        ),
        # The engine puts the shared column first, wherever it stands in its table.
        (
            'SELECT * FROM "Dogs" d JOIN (SELECT last_name AS breed, city FROM citizens) c USING (breed)',
            "person - - text -",
        ),
        # Partitions hold what their table holds; views show what they are made of.
        ("SELECT citizen, at FROM visits", "person -"),
        ("SELECT citizen, at FROM visits_1", "person -"),
        ("SELECT * FROM people", "- person -"),
        ("SELECT * FROM People", "- person -"),
        ('SELECT * FROM "People"', "- - -"),
        ("SELECT * FROM kept", "iban -"),
        ("SELECT id, n FROM by_function", "- text"),
        ("SELECT ctid FROM citizens", "text"),
        # A label of a partition holds for the whole, which shows its rows.
        ("SELECT place FROM stays", "address"),
        # A row's columns, whose number only the engine knows.
        ("SELECT (c).* FROM citizens c", "text text text text text text text text"),
        ("SELECT b FROM (SELECT (c).*, city FROM citizens c) AS x (a, b)", "text"),
        ("SELECT b FROM (SELECT id, (c).*, city FROM citizens c) AS x (a, z, b)", "text"),
        # A subquery in brackets sees what is around the query, and not what stands beside the brackets.
        (
            'SELECT (SELECT y FROM citizens AS c (a, b), ("Dogs" d JOIN (SELECT z.last_name AS y'
            " FROM (VALUES (1)) AS v (n)) AS x ON true) LIMIT 1) FROM citizens AS z",
            "person",
        ),
    ],
)
def test_each_column_has_the_labels_of_what_it_is_made_of(
    town: Database, sql: str, expected: str
) -> None:
    assert_labels(town, sql, expected)


def test_dates_and_numbers_are_registered_as_they_are_shown(town: Database) -> None:
    sql = "SELECT born, born::timestamp AS t, salary FROM citizens WHERE id = 1"
    rows = fetch(town, sql, 10, 10)
    kinds = kinds_of(trace(town, sql, 10), rows.columns)
    shown = result(rows, kinds, "town", "internal", sql, Limits(200, 10_000))
    assert "| 1980-03-05 | 1980-03-05 00:00:00 | 4711.50 |" in shown.text
    assert {(value.kind, value.text) for value in shown.values} == {
        ("date", "1980-03-05"),
        ("text", "1980-03-05 00:00:00"),
        ("code", "4711.50"),
    }


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT last_name::int FROM citizens",
        "SELECT last_name::date FROM citizens",
        "SELECT to_date(last_name, 'YYYY') FROM citizens",
    ],
)
def test_an_error_of_the_engine_quotes_no_value(settings: DatabaseSettings, sql: str) -> None:
    database = open_database(settings)
    given = DatabasesSettings(databases=(settings,))
    with pytest.raises(QueryError) as caught:
        query_text({"town": database}, given, "town", sql)
    assert "PostgreSQL refuses the statement (" in caught.value.message
    assert MARK not in str(caught.value)
    assert "Lang" not in str(caught.value)
    assert "citizens(id INTEGER pk, last_name TEXT" in caught.value.remedy
    database.engine.dispose()


async def test_a_wrong_label_is_told_at_the_first_query(
    settings: DatabaseSettings, adapter: Adapter
) -> None:
    wrong = settings.model_copy(update={"labels": {**LABELS, "citizens.surname": "person"}})
    server = create_server(
        DatabasesSettings.model_validate({"databases": [wrong], **adapter.settings})
    )
    assert server.health() == {"databases": 1}
    database = open_database(wrong)
    with pytest.raises(LabelError, match=r"'citizens\.surname', which does not exist"):
        trace(database, "SELECT 1", 10)
    database.engine.dispose()


async def test_what_is_returned_is_registered(settings: DatabaseSettings, adapter: Adapter) -> None:
    given = DatabasesSettings.model_validate({"databases": [settings], **adapter.settings})
    database = open_database(settings)
    labels: Collected = {}
    token = collected.set(labels)
    shown = query_text({"town": database}, given, "town", "SELECT last_name, city FROM citizens")
    collected.reset(token)
    registry = Registry("databases", given)
    await registry.register(Caller(chat="c"), labels, shown)
    await registry.aclose()
    assert shown.count(MARK) == 2
    assert adapter.values() == {("person", f"{MARK}Lang"), ("person", f"{MARK}Aue")}
    database.engine.dispose()

"""The databases server on a real MariaDB, as an account that may only SELECT: what it tells, reads and labels."""

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from labelled_results import MARK, assert_labels
from pydantic import SecretStr

from mcp_servers.databases import catalog
from mcp_servers.databases.columns import labelled_columns
from mcp_servers.databases.engines import Database, fetch, open_database
from mcp_servers.databases.labelling import kinds_of, trace
from mcp_servers.databases.server import query_text
from mcp_servers.databases.settings import DatabaseSettings, DatabasesSettings
from mcp_servers.errors import LabelError, QueryError
from tests.databases import mariadb_server

pytestmark = pytest.mark.xdist_group("mariadb")

TOWN = [
    "USE town",
    "CREATE TABLE citizens (id int PRIMARY KEY AUTO_INCREMENT, last_name varchar(60) COMMENT 'surname',"
    " iban varchar(40), born date, city varchar(40), salary decimal(8, 2), facts json,"
    " whole varchar(120) AS (concat(last_name, city)) STORED) COMMENT 'who lives here'",
    "CREATE TABLE dogs (id int PRIMARY KEY, owner_id int, name text, breed text, seen timestamp,"
    " FOREIGN KEY (owner_id) REFERENCES citizens (id))",
    "CREATE VIEW people AS SELECT id, last_name AS n, city FROM citizens",
    f"INSERT INTO citizens (last_name, iban, born, city, salary, facts) VALUES"
    f" ('{MARK}Lang', '{MARK}DE1', '1980-03-05', 'Lindenau', 4711.50, '{{\"a\": \"{MARK}f\"}}'),"
    f" ('{MARK}Aue', NULL, '1991-12-24', 'Wette', NULL, NULL)",
    f"INSERT INTO dogs VALUES (1, 1, '{MARK}Rex', 'Dackel', '2026-01-02 03:04')",
    "CREATE DATABASE other",
    "CREATE TABLE other.citizens (id int, last_name text, town text)",
    f"INSERT INTO other.citizens VALUES (1, '{MARK}Other', 'Au')",
    "CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'secret'",
    "GRANT SELECT ON town.* TO reader@'127.0.0.1'",
    "GRANT SELECT ON other.* TO reader@'127.0.0.1'",
    "CREATE USER viewer@'127.0.0.1' IDENTIFIED BY 'secret'",
    "GRANT SELECT, SHOW VIEW ON town.* TO viewer@'127.0.0.1'",
]
LABELS = {
    "citizens.last_name": "person",
    "town.citizens.iban": "iban",
    "citizens.born": "date",
    "citizens.salary": "code",
    "citizens.facts": "text",
    "dogs.name": "text",
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with mariadb_server() as port:
        connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
        with connection, connection.cursor() as cursor:
            for statement in TOWN:
                cursor.execute(statement)
        yield port


def settings(port: int, user: str = "reader:secret", **more: Any) -> DatabaseSettings:
    url = SecretStr(f"mysql+pymysql://{user}@127.0.0.1:{port}/town")
    return DatabaseSettings.model_validate({"name": "town", "url": url, **more})


@pytest.fixture
def plain(port: int) -> Iterator[Database]:
    database = open_database(settings(port))
    yield database
    database.engine.dispose()


@pytest.fixture
def town(port: int) -> Iterator[Database]:
    database = open_database(settings(port, labels=LABELS))
    yield database
    database.engine.dispose()


CITIZEN = "- person iban date - code text text"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM citizens", CITIZEN),
        ("TABLE citizens", CITIZEN),
        ("SELECT c.*, d.* FROM citizens c JOIN dogs d ON true", f"{CITIZEN} - - text - -"),
        ("SELECT LAST_NAME, City FROM town.citizens", "person -"),
        ("SELECT `name`, breed FROM dogs", "text -"),
        ('SELECT "last_name", last_name AS "x" FROM citizens', "- person"),
        ("SELECT 'a' 'b', last_name 'x' FROM citizens", "- person"),
        # A label without a database holds in all of them.
        ("SELECT last_name, town FROM other.citizens", "person -"),
        (
            "SELECT concat(last_name, ', ', city), concat_ws(' ', iban, last_name) FROM citizens",
            "person text",
        ),
        (
            "SELECT group_concat(last_name SEPARATOR '; '), max(salary), year(born) FROM citizens",
            "text code text",
        ),
        ("SELECT date_format(born, '%d.%m.%Y'), born + INTERVAL 1 DAY FROM citizens", "text text"),
        ("SELECT facts->>'$.a', json_extract(facts, '$.a') FROM citizens", "text text"),
        ("SELECT last_name REGEXP 'x', last_name LIKE 'x%', iban IS NULL FROM citizens", "- - -"),
        (
            "SELECT city FROM citizens WHERE NOT last_name RLIKE 'x' OR city REGEXP 'y' AND id = 1",
            "-",
        ),
        (
            "SELECT hex(last_name), to_base64(last_name), reverse(iban) FROM citizens",
            "text text text",
        ),
        ("SELECT ifnull(iban, '-'), if(id = 1, last_name, city) FROM citizens", "iban person"),
        ("SELECT whole FROM citizens", "text"),
        ("SELECT n, k FROM (SELECT last_name n, 1 k FROM citizens) x", "person -"),
        (
            "WITH RECURSIVE a (x, n) AS (SELECT last_name, 1 FROM citizens UNION ALL "
            "SELECT x, n + 1 FROM a WHERE n < 3) SELECT x, n FROM a",
            "person -",
        ),
        (
            "SELECT lag(last_name) OVER (ORDER BY id), row_number() OVER (ORDER BY iban) FROM citizens",
            "person -",
        ),
        ("SELECT city, group_concat(last_name) FROM citizens GROUP BY city WITH ROLLUP", "- text"),
        # Whoever may not see the query of a view cannot tell what its columns are made of.
        ("SELECT * FROM people", "text text text"),
        ("SELECT city, p.n FROM citizens JOIN people p USING (id, city)", "text text"),
    ],
)
def test_each_column_has_the_labels_of_what_it_is_made_of(
    town: Database, sql: str, expected: str
) -> None:
    assert_labels(town, sql, expected)


def test_who_may_see_the_query_of_a_view_has_its_labels(port: int) -> None:
    database = open_database(settings(port, "viewer:secret", labels=LABELS))
    outputs = trace(database, "SELECT * FROM people", 10)
    assert kinds_of(outputs, ("id", "n", "city")) == (None, "person", None)
    database.engine.dispose()


def test_a_wrong_label_is_told(port: int) -> None:
    database = open_database(settings(port, labels={"people.surname": "person"}))
    with pytest.raises(LabelError, match=r"'people\.surname', which does not exist"):
        trace(database, "SELECT 1", 10)
    database.engine.dispose()


def test_tables_and_views_are_described(plain: Database) -> None:
    described = {table.name: table for table in catalog.tables(plain, 10)}
    assert list(described) == ["citizens", "dogs", "people"] == catalog.names(plain, 10)
    assert described["citizens"].comment == "who lives here"
    assert described["citizens"].columns[1].full() == "last_name VARCHAR(60)  -- surname"
    assert "owner_id INTEGER -> citizens.id" in described["dogs"].brief()
    assert (
        described["people"].brief() == "people(id INT(11), n VARCHAR(60), city VARCHAR(40))  view"
    )


def test_the_values_of_labelled_columns_are_read_for_lists(town: Database) -> None:
    found = [
        (str(each.of), [value.text for value in each.values]) for each in labelled_columns(town, 10)
    ]
    assert ("town.citizens.last_name", [f"{MARK}Aue", f"{MARK}Lang"]) in found
    assert ("other.citizens.last_name", [f"{MARK}Other"]) in found
    assert ("town.citizens.born", ["1980-03-05", "1991-12-24"]) in found
    assert ("town.dogs.name", [f"{MARK}Rex"]) in found


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO dogs (id) VALUES (2)",
        "UPDATE citizens SET city = 'x'",
        "DELETE FROM dogs",
        "CREATE TABLE x (a int)",
        "DROP TABLE dogs",
    ],
)
def test_the_server_itself_lets_nothing_be_written(port: int, sql: str) -> None:
    """What the guard refuses before, and an account that may not; here neither is in the way."""
    database = open_database(settings(port, "root"))
    with pytest.raises(QueryError, match="READ ONLY transaction"):
        fetch(database, sql, 10, 10)
    assert catalog.names(database, 10) == ["citizens", "dogs", "people"]
    database.engine.dispose()


def test_a_query_ends_in_time_and_its_connection_is_good_for_another(plain: Database) -> None:
    with pytest.raises(QueryError, match="took longer than 1 seconds"):
        fetch(plain, "SELECT sum(a.seq * b.seq) FROM seq_1_to_100000 a, seq_1_to_100000 b", 10, 1)
    assert fetch(plain, "SELECT 'ä😀'", 10, 10).rows == (("ä😀",),)


def test_of_many_rows_only_those_asked_for_come(plain: Database) -> None:
    rows = fetch(plain, "SELECT seq FROM seq_1_to_100000", 3, 10)
    assert (rows.rows, rows.more) == (((1,), (2,), (3,)), True)


def test_an_error_of_the_engine_quotes_no_value(port: int) -> None:
    given = settings(port, labels=LABELS)
    database = open_database(given)
    sql = "SELECT last_name COLLATE latin1_bin FROM citizens"
    with pytest.raises(QueryError) as caught:
        query_text({"town": database}, DatabasesSettings(databases=(given,)), "town", sql)
    assert "MySQL refuses the statement (OperationalError 1253)" in caught.value.message
    assert MARK not in str(caught.value)
    assert "citizens(id INTEGER pk, last_name VARCHAR(60)" in caught.value.remedy
    database.engine.dispose()

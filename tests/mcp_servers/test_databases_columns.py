"""What stands in labelled columns is read whole, once each, and written as the tools register it."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from mcp_servers.databases.columns import labelled_columns
from mcp_servers.databases.engines import Database, open_database
from mcp_servers.databases.settings import DatabaseSettings
from mcp_servers.errors import LabelError, QueryError
from mcp_servers.settings import Kind

SQL = """
CREATE TABLE "Meine Leute" (id INTEGER PRIMARY KEY, "Name, ganz" TEXT, born TEXT, number INTEGER, raw BLOB);
INSERT INTO "Meine Leute" VALUES
 (1, 'Jörg Weiß|müller', '1980-03-05', 4711, x'00'), (2, 'Anna Lang', '1980-03-05 00:00:00', 12, NULL),
 (3, 'Anna Lang', NULL, NULL, NULL), (4, ' Eva ' || char(10) || ' Aue ', 'March', 4711, NULL);
CREATE VIEW people AS SELECT "Name, ganz" AS n FROM "Meine Leute";
"""


def town(folder: Path, labels: Mapping[str, Kind]) -> Database:
    file = folder / "town.db"
    if not file.exists():
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(SQL)
    settings = DatabaseSettings(
        name="town", url=SecretStr(f"sqlite:///{file}"), labels=dict(labels)
    )
    return open_database(settings)


def read(database: Database) -> dict[str, list[tuple[str, str]]]:
    return {
        str(each.of): [(value.kind, value.text) for value in each.values]
        for each in labelled_columns(database, 20)
    }


def test_each_value_of_a_column_is_read_once_as_the_tools_register_it(tmp_path: Path) -> None:
    database = town(
        tmp_path,
        {
            "meine leute.name, GANZ": "person",
            "Meine Leute.born": "date",
            "Meine Leute.number": "code",
            "Meine Leute.raw": "text",
            "people.n": "text",
        },
    )
    found = read(database)
    names = ["Eva Aue", "Anna Lang", "Jörg Weiß|müller", r"Jörg Weiß\|müller"]
    assert found["Meine Leute.Name, ganz"] == [("person", name) for name in names]
    assert found["Meine Leute.born"] == [
        ("date", "1980-03-05"),
        ("date", "1980-03-05"),
        ("text", "1980-03-05 00:00:00"),
        ("text", "March"),
    ]
    assert found["Meine Leute.number"] == [("code", "12"), ("code", "4711")]
    assert found["Meine Leute.raw"] == []
    assert found["people.n"] == [("text", name) for name in names]


def test_a_column_that_does_not_exist_stops_it_before_anything_is_read(tmp_path: Path) -> None:
    database = town(tmp_path, {"people.n": "person", "people.gone": "person"})
    with pytest.raises(LabelError, match=r"'people\.gone', which does not exist"):
        next(labelled_columns(database, 20))


def test_a_query_that_takes_too_long_ends(tmp_path: Path) -> None:
    database = town(tmp_path, {"slow.n": "person"})
    with closing(sqlite3.connect(tmp_path / "town.db")) as connection:
        connection.executescript(
            "CREATE VIEW slow AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1e9)"
            " SELECT n FROM c"
        )
    with pytest.raises(QueryError, match=r"column slow\.n of town .* longer than 0\.2 seconds"):
        list(next(labelled_columns(database, 0.2)).values)


def test_on_a_server_a_label_without_a_schema_is_for_all_schemas(postgres: str) -> None:
    engine = create_engine(postgres)
    with engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA branch",
            'CREATE TABLE "Staff" (name text, born date)',
            "CREATE TABLE branch.staff (name text)",
            "CREATE TABLE branch.only (iban text)",
            "INSERT INTO \"Staff\" VALUES ('Anna Lang', '1980-03-05'), ('Anna Lang', NULL)",
            "INSERT INTO branch.staff SELECT 'Name ' || n FROM generate_series(1, 5000) AS n",
            "INSERT INTO branch.only VALUES ('DE02120300000000202051')",
        ):
            connection.execute(text(statement))
    engine.dispose()
    labels: dict[str, Kind] = {
        "staff.name": "person",
        "staff.born": "date",
        "branch.only.iban": "iban",
    }
    database = open_database(DatabaseSettings(name="staff", url=SecretStr(postgres), labels=labels))
    found = read(database)
    database.engine.dispose()
    assert found["public.Staff.name"] == [("person", "Anna Lang")]
    assert len(set(found["branch.staff.name"])) == len(found["branch.staff.name"]) == 5000
    assert found["public.Staff.born"] == [("date", "1980-03-05")]
    assert found["branch.only.iban"] == [("iban", "DE02120300000000202051")]


def test_a_column_whose_values_cannot_be_compared_is_named(postgres: str) -> None:
    engine = create_engine(postgres)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (body json)"))
    engine.dispose()
    settings = DatabaseSettings(
        name="notes", url=SecretStr(postgres), labels={"notes.body": "text"}
    )
    database = open_database(settings)
    with pytest.raises(QueryError, match=r"column public\.notes\.body of notes cannot be read"):
        read(database)
    database.engine.dispose()

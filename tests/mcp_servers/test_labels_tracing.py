"""Labels follow their values through SQL, and what cannot be followed counts as labelled (SQLite)."""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from labelled_results import MARK, without_registered
from sqlglot import exp
from sqlglot.lineage import lineage

from mcp_servers.databases.engines import Database, fetch, open_database
from mcp_servers.databases.labelling import kinds_of, trace
from mcp_servers.databases.readonly import checked
from mcp_servers.databases.results import Limits, result
from mcp_servers.databases.settings import DatabaseSettings
from mcp_servers.errors import QueryError, StatementError

# Every labelled value holds a sign that nothing else in the database has.
TOWN = f"""
CREATE TABLE citizens (
    id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, iban TEXT, born TEXT, city TEXT,
    whole TEXT GENERATED ALWAYS AS (first_name || ' ' || last_name)
);
CREATE TABLE dogs (id INTEGER PRIMARY KEY, owner_id INTEGER, name TEXT, breed TEXT);
CREATE TABLE keys (code INTEGER PRIMARY KEY, city TEXT);
CREATE VIEW people AS SELECT id, last_name AS n, city FROM citizens;
CREATE VIEW renamed (a, b) AS SELECT c.*, 1 FROM (SELECT last_name FROM citizens) AS c;
CREATE VIEW everything AS SELECT * FROM citizens JOIN dogs USING (id);
CREATE VIEW of_view AS SELECT upper(n) AS big, city FROM people;
CREATE VIRTUAL TABLE note USING fts5(text);
CREATE VIRTUAL TABLE mirror USING fts5(last_name, content='citizens', content_rowid='id');
CREATE VIRTUAL TABLE words USING fts5vocab(mirror, row);
INSERT INTO citizens (id, first_name, last_name, iban, born, city) VALUES
    (1, 'F{MARK}a', 'L{MARK}Lang', 'I{MARK}DE1', '1{MARK}', 'Lindenau'),
    (2, 'F{MARK}b', 'L{MARK}Aue', NULL, '2{MARK}', 'Wette'),
    (3, 'F{MARK}c', 'L{MARK}Lang', 'I{MARK}DE3', '3{MARK}', NULL);
INSERT INTO dogs VALUES (1, 1, 'Rex', 'Dackel'), (2, 1, 'Bello', 'Pudel'), (3, 3, 'Wau', 'Dackel');
INSERT INTO keys VALUES (4711, 'Lindenau');
INSERT INTO mirror (rowid, last_name) SELECT id, last_name FROM citizens;
INSERT INTO note VALUES ('Baustelle am Markt');
"""
LABELS = {
    "citizens.first_name": "person",
    "Citizens.LAST_NAME": "person",
    "main.citizens.iban": "iban",
    "citizens.born": "date",
    "keys.code": "code",
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("town") / "town.db"
    with sqlite3.connect(path) as db:
        db.executescript(TOWN)
    db.close()
    given = {"name": "town", "url": f"sqlite:///{path}", "labels": LABELS}
    database = open_database(DatabaseSettings.model_validate(given))
    yield database
    database.engine.dispose()


def kinds(database: Database, sql: str) -> list[str]:
    """What each column of the result holds, `-` for what is not labelled."""
    statement = checked(sql, database.dialect)
    outputs = trace(database, statement, 10)
    names = fetch(database, statement, 10, 10).columns
    return [kind or "-" for kind in kinds_of(outputs, names)]


CITIZEN = "- person person iban date - text"
SHAPES = [
    # Columns, stars and aliases.
    ("SELECT last_name, city FROM citizens", "person -"),
    ("SELECT * FROM citizens", CITIZEN),
    ("SELECT c.*, d.* FROM citizens c JOIN dogs d ON d.owner_id = c.id", f"{CITIZEN} - - - -"),
    ("SELECT d.*, 1, c.* FROM citizens c, dogs d", f"- - - - - {CITIZEN}"),
    ("SELECT last_name AS city FROM citizens", "person"),
    ("SELECT city AS last_name FROM citizens", "-"),
    ("SELECT C.LAST_NAME FROM CITIZENS C", "person"),
    ('SELECT "last_name", [city], `iban` FROM "citizens"', "person - iban"),
    ("SELECT c.'last_name' FROM 'citizens' AS c", "person"),
    ("SELECT main.citizens.last_name FROM main.citizens", "person"),
    ("SELECT rowid, oid, _rowid_, id FROM citizens", "- - - -"),
    ("SELECT rowid, oid, _rowid_, city FROM keys", "code code code -"),
    # Expressions.
    ("SELECT lower(last_name), upper(city) FROM citizens", "person -"),
    ("SELECT substr(last_name, 1, 3), replace(city, 'a', 'b') FROM citizens", "text -"),
    ("SELECT first_name || ' ' || last_name, first_name || iban FROM citizens", "person text"),
    ("SELECT coalesce(iban, '-'), ifnull(city, last_name) FROM citizens", "iban person"),
    ("SELECT coalesce(iban, last_name), max(iban, last_name) FROM citizens", "text text"),
    ("SELECT CASE WHEN id = 1 THEN last_name ELSE '-' END FROM citizens", "person"),
    ("SELECT CASE id WHEN 1 THEN city ELSE iban END FROM citizens", "iban"),
    ("SELECT iif(id = 1, last_name, city), nullif(last_name, city) FROM citizens", "person person"),
    ("SELECT cast(last_name AS TEXT), cast(iban AS INTEGER) FROM citizens", "person iban"),
    ("SELECT hex(iban), quote(iban), printf('%s', last_name) FROM citizens", "text text text"),
    ("SELECT json_object('n', last_name), json_object('c', city) FROM citizens", "text -"),
    ("SELECT json_array(city, json_array(iban)) ->> '$[1]' FROM citizens", "text"),
    ("SELECT strftime('%Y', born), unicode(last_name) FROM citizens", "text text"),
    ("SELECT (SELECT c.last_name) FROM citizens c", "person"),
    ("SELECT (SELECT max(last_name) FROM citizens), (SELECT count(*) FROM citizens)", "person -"),
    ("SELECT whole FROM citizens", "text"),
    # What is said about a value is not the value.
    ("SELECT last_name = 'X', last_name IS NULL, last_name LIKE 'X%' FROM citizens", "- - -"),
    ("SELECT last_name IN ('X'), EXISTS (SELECT iban FROM citizens) FROM citizens", "- -"),
    ("SELECT length(last_name), typeof(iban), NOT last_name FROM citizens", "- - -"),
    ("SELECT city FROM citizens WHERE last_name = 'X' ORDER BY iban", "-"),
    ("SELECT CASE WHEN last_name = 'X' THEN 'yes' ELSE 'no' END FROM citizens", "-"),
    ("SELECT sum(CASE WHEN last_name LIKE 'L%' THEN 1 ELSE 0 END) FROM citizens", "-"),
    # Aggregates and windows.
    ("SELECT city, count(*), count(DISTINCT last_name) FROM citizens GROUP BY city", "- - -"),
    ("SELECT sum(id), avg(id), total(id), sum(length(iban)) FROM citizens", "- - - -"),
    ("SELECT min(last_name), max(iban), max(id) FROM citizens", "person iban -"),
    ("SELECT group_concat(last_name), json_group_array(iban) FROM citizens", "text text"),
    ("SELECT sum(iban) FROM citizens", "text"),
    ("SELECT last_name, count(*) FROM citizens GROUP BY 1 HAVING count(*) > 1", "person -"),
    ("SELECT count(*) FILTER (WHERE last_name = 'X') FROM citizens", "-"),
    ("SELECT first_value(last_name) OVER (ORDER BY city) FROM citizens", "person"),
    ("SELECT lag(city) OVER (PARTITION BY last_name ORDER BY iban) FROM citizens", "-"),
    ("SELECT row_number() OVER (ORDER BY last_name), rank() OVER () FROM citizens", "- -"),
    ("SELECT DISTINCT last_name FROM citizens", "person"),
    # Subqueries, WITH, UNION, VALUES.
    ("SELECT a, b FROM (SELECT city AS a, last_name AS b FROM citizens)", "- person"),
    ("SELECT x.* FROM (SELECT last_name, id FROM citizens) AS x", "person -"),
    ("SELECT * FROM dogs d, (SELECT last_name FROM citizens) t", "- - - - person"),
    ("WITH a AS (SELECT last_name AS x, city AS y FROM citizens) SELECT y, x FROM a", "- person"),
    ("WITH a (x, y) AS (SELECT city, iban FROM citizens) SELECT x, y FROM a", "- iban"),
    ("WITH citizens AS (SELECT 1 AS last_name) SELECT last_name FROM citizens", "-"),
    ("WITH a AS (SELECT x FROM b), b AS (SELECT iban AS x FROM citizens) SELECT x FROM a", "iban"),
    ("WITH a AS (SELECT city FROM citizens) SELECT (SELECT max(city) FROM a) FROM dogs", "-"),
    (
        "WITH RECURSIVE a (x, n) AS (SELECT last_name, 1 FROM citizens UNION ALL "
        "SELECT x, n + 1 FROM a WHERE n < 3) SELECT x, n FROM a",
        "person -",
    ),
    (
        "WITH a (x, y, n) AS (SELECT 'x', iban, 1 FROM citizens UNION ALL "
        "SELECT y, x, n + 1 FROM a WHERE n < 3) SELECT x, y, n FROM a",
        "iban iban -",
    ),
    (
        "WITH RECURSIVE a (x) AS (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT x + 1 FROM a "
        "WHERE x < 5) SELECT x FROM a",
        "-",
    ),
    ("SELECT city FROM citizens UNION ALL SELECT last_name FROM citizens", "person"),
    ("SELECT city, id FROM citizens EXCEPT SELECT city, last_name FROM citizens", "- person"),
    ("SELECT last_name FROM citizens UNION SELECT iban FROM citizens", "text"),
    ("VALUES (1, (SELECT last_name FROM citizens)), (2, 'x')", "- person"),
    ("SELECT column1, column2 FROM (VALUES (1, (SELECT iban FROM citizens)))", "- iban"),
    # Joins of columns with one name.
    ("SELECT * FROM citizens JOIN dogs USING (id)", f"{CITIZEN} - - -"),
    ("SELECT * FROM citizens NATURAL JOIN dogs", f"{CITIZEN} - - -"),
    ("SELECT id, breed FROM dogs LEFT JOIN citizens USING (id)", "- -"),
    ("SELECT j.last_name, j.breed FROM (citizens c JOIN dogs d ON c.id = d.id) AS j", "person -"),
    ("SELECT c.last_name, breed FROM (citizens c JOIN dogs d ON c.id = d.id)", "person -"),
    # Functions in FROM.
    ("SELECT value FROM json_each('[1]')", "-"),
    ("SELECT city, value FROM citizens c, json_each(json_array(c.last_name))", "- text"),
    ("SELECT value FROM citizens c, json_each(json_array(c.city))", "-"),
    ("SELECT (SELECT value FROM json_each(json_array(c.iban))) FROM citizens c", "text"),
    # Views, and tables that show what is in others.
    ("SELECT * FROM people", "- person -"),
    ("SELECT big, city FROM of_view", "person -"),
    ("SELECT * FROM renamed", "person -"),
    ("SELECT breed FROM everything", "text"),
    ("SELECT text FROM note WHERE note MATCH 'Markt'", "-"),
    ("SELECT last_name FROM mirror", "text"),
    ("SELECT term FROM words", "text"),
    ("SELECT c0 FROM note_content", "text"),
    ("SELECT snippet(mirror, 0, '', '', '', 3) FROM mirror WHERE mirror MATCH 'Lang'", "text"),
    # What nobody can follow.
    ("SELECT sql FROM sqlite_master", "text"),
    ("SELECT name FROM sqlite_schema", "text"),
]


@pytest.mark.parametrize(("sql", "expected"), SHAPES)
def test_each_column_has_the_labels_of_what_it_is_made_of(
    town: Database, sql: str, expected: str
) -> None:
    assert kinds(town, sql) == expected.split()


# Lineage counts what is compared, counted and ordered by as an origin; here it is none.
SAYS_ONLY = ("= 'X'", "IS NULL", "LIKE", "IN (", "EXISTS", "length(", "count(", "OVER", "nullif")


@pytest.mark.parametrize(
    "sql", [sql for sql, _ in SHAPES if not any(word in sql for word in SAYS_ONLY)]
)
def test_sqlglots_own_lineage_finds_no_more_than_this(town: Database, sql: str) -> None:
    """A second opinion: whatever it leads back to a labelled column is labelled here as well."""
    statement = checked(sql, "sqlite")
    labelled = {key.casefold().removeprefix("main.") for key in LABELS}
    schema = {name: dict.fromkeys(COLUMNS[name], "text") for name in ("citizens", "dogs")}
    tree = sqlglot.parse_one(statement, read="sqlite")
    selects = tree.selects if isinstance(tree, exp.Query) else []
    for column, kind in zip(selects, kinds(town, sql), strict=False):
        if isinstance(column, exp.Alias | exp.Column) and not column.is_star:
            name = column.alias_or_name.lower()
            nodes = lineage(name, statement, schema, dialect="sqlite").walk()
            origins = {
                f"{node.expression.name}.{node.name.rpartition('.')[2]}".casefold()
                for node in nodes
                if isinstance(node.expression, exp.Table)
            }
            assert kind != "-" or not origins & labelled, (sql, name, origins)


COLUMNS = {
    "citizens": ("id", "first_name", "last_name", "iban", "born", "city", "whole"),
    "dogs": ("id", "owner_id", "name", "breed"),
    "people": ("id", "n", "city"),
    "of_view": ("big", "city"),
    "everything": ("last_name", "breed", "city"),
    "mirror": ("last_name",),
}
CLEAN_COLUMNS = {"dogs": COLUMNS["dogs"], "people": ("id", "city"), "citizens": ("id", "city")}

Source = tuple[str, str, tuple[str, ...]]
"""Its text in FROM, its alias and its columns."""


class Statements:
    """Draws statements that SQLite understands; `columns` are the tables and what may be used of them."""

    def __init__(self, draw: st.DrawFn, columns: dict[str, tuple[str, ...]], stars: bool) -> None:
        self.draw = draw
        self.columns = columns
        self.stars = stars
        self.numbers = itertools.count()
        self.tables: list[tuple[str, tuple[str, ...]]] = []

    def one_of(self, choices: list[str]) -> str:
        return self.draw(st.sampled_from(choices))

    def statement(self) -> str:
        with_ = ""
        if self.draw(st.booleans()):
            columns = ("x", "y")
            name = f"t{next(self.numbers)}"
            body = self.select(2, 2)
            if self.draw(st.booleans()):
                body += f" UNION ALL SELECT y, x FROM {name} LIMIT 20"
            with_ = f"WITH RECURSIVE {name} (x, y) AS ({body}) "
            self.tables.append((name, columns))
        return with_ + self.query(2)

    def query(self, depth: int) -> str:
        width = self.draw(st.integers(1, 3))
        query = self.select(depth, width)
        if self.draw(st.integers(0, 3)) == 0:
            word = self.one_of(["UNION", "UNION ALL", "EXCEPT", "INTERSECT"])
            query += f" {word} {self.select(depth, width)}"
        return query

    def select(self, depth: int, width: int, outer: tuple[Source, ...] = ()) -> str:
        sources = [self.source(depth, outer)]
        joined = sources[0][0]
        for _ in range(self.draw(st.integers(0, 1))):
            sources.append(self.source(depth, outer, tuple(sources)))
            joined += (
                f"{self.one_of([', ', ' CROSS JOIN ', ' JOIN ', ' LEFT JOIN '])}{sources[-1][0]}"
            )
        seen = (*sources, *outer)
        if self.stars and not outer and depth == 2 and self.draw(st.integers(0, 4)) == 0:
            shown = self.one_of(["*", *(f"{source[1]}.*" for source in sources)])
        else:
            shown = ", ".join(
                self.expression(depth, seen)
                + (f" AS {self.one_of(['x', 'y', 'city', 'n'])}" * self.draw(st.integers(0, 1)))
                for _ in range(width)
            )
        tail = self.one_of(["", "", " WHERE 1", f" GROUP BY {sources[0][1]}.{sources[0][2][0]}"])
        return f"SELECT {self.one_of(['', 'DISTINCT '])}{shown} FROM {joined}{tail}"

    def source(
        self, depth: int, outer: tuple[Source, ...], beside: tuple[Source, ...] = ()
    ) -> Source:
        alias = f"s{next(self.numbers)}"
        kind = self.draw(st.integers(0, 5))
        if kind == 0 and depth > 0:
            inner = self.select(depth - 1, 2)
            return (
                f"(SELECT * FROM (WITH q (x, y) AS ({inner}) SELECT * FROM q)) AS {alias}",
                alias,
                ("x", "y"),
            )
        if kind == 1 and beside:
            argument = self.expression(0, beside)
            return f"json_each(json_array({argument})) AS {alias}", alias, ("value", "key")
        if kind == 2 and self.tables:
            name, columns = self.draw(st.sampled_from(self.tables))
            return f"{name} AS {alias}", alias, columns
        name = self.one_of(sorted(self.columns))
        return f"{name} AS {alias}", alias, self.columns[name]

    def column(self, seen: tuple[Source, ...]) -> str:
        _, alias, columns = self.draw(st.sampled_from(seen))
        name = self.one_of(list(columns))
        return self.one_of([f"{alias}.{name}", f"{alias}.{name}", name])

    def expression(self, depth: int, seen: tuple[Source, ...]) -> str:
        if depth <= 0:
            return self.one_of([self.column(seen), self.column(seen), "'w'", "1"])
        one, two = self.expression(depth - 1, seen), self.expression(depth - 2, seen)
        forms = [
            *(one, one, one, f"lower({one})", f"upper({one})", f"substr({one}, 1, 3)", f"({one})"),
            *(f"{one} || {two}", f"coalesce({one}, {two})", f"nullif({one}, {two})"),
            *(
                f"iif({two} IS NULL, {one}, {two})",
                f"CASE WHEN {two} > 0 THEN {one} ELSE {two} END",
            ),
            *(f"CASE {two} WHEN {one} THEN {one} END", f"max({one}, {two})", f"trim({one})"),
            *(f"printf('%s', {one})", f"replace({one}, 'a', {two})", f"json_array({one}, {two})"),
            *(f"json_object('k', {one}) ->> '$.k'", f"cast({one} AS TEXT)", f"length({one})"),
            *(
                f"({one} = {two})",
                f"count({one}) OVER ()",
                f"first_value({one}) OVER (ORDER BY {two})",
            ),
            *(f"max({one}) OVER ()", f"group_concat({one}) OVER (PARTITION BY {two})"),
        ]
        if self.draw(st.integers(0, 4)) == 0:
            return f"({self.select(depth - 2, 1, seen)} LIMIT 1)"
        return self.one_of(forms)


@st.composite
def statements(draw: st.DrawFn, clean: bool) -> str:
    return Statements(draw, CLEAN_COLUMNS if clean else COLUMNS, stars=not clean).statement()


MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@MANY
@given(sql=statements(clean=False))
def test_no_labelled_value_is_shown_that_is_not_registered(town: Database, sql: str) -> None:
    """Whatever the statement makes of the marked values, without the registered ones no mark is left."""
    try:
        statement = checked(sql, "sqlite")
    except StatementError:
        assume(False)
    outputs = trace(town, statement, 10)
    try:
        rows = fetch(town, statement, 200, 2)
    except QueryError:
        assume(False)
    assert MARK not in statement
    labels = kinds_of(outputs, rows.columns)
    shown = result(rows, labels, "town", "internal", statement, Limits(40, 200_000))
    for row in rows.rows:
        for kind, value in zip(labels, row, strict=True):
            assert kind is not None or MARK not in str(value), (statement, value)
    assert MARK not in without_registered(shown), statement


@MANY
@given(sql=statements(clean=True))
def test_what_is_made_of_unlabelled_columns_is_not_labelled(town: Database, sql: str) -> None:
    try:
        statement = checked(sql, "sqlite")
    except StatementError:
        assume(False)
    outputs = trace(town, statement, 10)
    try:
        rows = fetch(town, statement, 10, 10)
    except QueryError:
        assume(False)
    assert set(kinds_of(outputs, rows.columns)) == {None}, statement


def test_deep_and_long_statements_are_followed(town: Database) -> None:
    sql = "SELECT city FROM citizens"
    for _ in range(10):
        sql = f"SELECT city FROM ({sql})"
    assert kinds(town, sql) == ["-"]
    wide = " UNION ALL ".join(["SELECT city FROM citizens"] * 50)
    assert kinds(town, wide) == ["-"]


def test_the_engines_columns_must_be_the_traced_ones(town: Database) -> None:
    outputs = trace(town, "SELECT * FROM citizens", 10)
    assert kinds_of(outputs, ("id", "city")) == ("text", "text")
    assert set(kinds_of(outputs, ("city", "id", "a", "b", "c", "d", "e"))) == {"text"}
    assert kinds_of(None, ("a", "b")) == (None, None)


def test_a_view_that_is_made_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with sqlite3.connect(path) as db:
        db.executescript(TOWN)
    given = {"name": "town", "url": f"sqlite:///{path}", "labels": LABELS}
    database = open_database(DatabaseSettings.model_validate(given))
    assert kinds(database, "SELECT n FROM people") == ["person"]
    db.executescript("DROP VIEW people; CREATE VIEW people AS SELECT city AS n FROM citizens")
    assert kinds(database, "SELECT n FROM people") == ["-"]
    db.close()


def test_a_label_may_be_given_to_a_view(tmp_path: Path) -> None:
    path = tmp_path / "town.db"
    with sqlite3.connect(path) as db:
        db.executescript(TOWN)
    db.close()
    given = {"name": "town", "url": f"sqlite:///{path}", "labels": {"everything.name": "text"}}
    database = open_database(DatabaseSettings.model_validate(given))
    assert kinds(database, "SELECT name, n FROM everything, people") == ["text", "-"]
    assert kinds(database, "SELECT name FROM dogs") == ["-"]

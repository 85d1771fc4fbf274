"""A hundred questions over the example site, each with what a tool of the site has found for it."""

import random
import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_servers.databases.engines import Rows
from mcp_servers.databases.results import Limits, cell, result

_SITE = Path(__file__).resolve().parents[3] / "examples" / "site"
_LIMITS = Limits(cell=200, total=4000)
# So much of a document is told, around what a right answer names.
_PASSAGE = 1200
_ROWS = 5
_TEXTS = (".md", ".txt", ".html")

_CITIZENS = """SELECT c.first_name || ' ' || c.last_name AS name, c.born_on, c.iban, c.phone, c.email,
 a.street || ' ' || a.house_number AS street FROM citizens c JOIN addresses a ON a.id = c.address_id
 WHERE c.iban IS NOT NULL AND c.phone IS NOT NULL AND c.email IS NOT NULL"""
_STAFF = "SELECT e.first_name, e.last_name, e.position, e.phone, e.email FROM employees e WHERE 1"
_DOGS = """SELECT d.name AS dog, d.breed, d.tag_number, c.first_name || ' ' || c.last_name AS owner
 FROM dogs d JOIN citizens c ON c.id = d.owner_id WHERE 1"""
_PERMITS = """SELECT b.file_number, b.kind, b.status, c.first_name || ' ' || c.last_name AS applicant
 FROM building_permits b JOIN citizens c ON c.id = b.applicant_id WHERE 1"""
_INVOICES = """SELECT i.number, i.kind, i.amount_eur, i.status, c.first_name || ' ' || c.last_name AS name
 FROM invoices i JOIN citizens c ON c.id = i.citizen_id WHERE 1"""
# Per kind: what is asked, of which rows, and which column is the answer.
_KINDS: tuple[tuple[str, str, str], ...] = (
    ("Welche Telefonnummer (phone) hat {first_name} {last_name}?", _STAFF, "phone"),
    ("Welche E-Mail-Adresse (email) hat {name}?", _CITIZENS, "email"),
    ("Wann ist {name} geboren (born_on)?", _CITIZENS, "born_on"),
    ("Welche IBAN (iban) hat {name}?", _CITIZENS, "iban"),
    ("In welcher Straße (street) wohnt {name}?", _CITIZENS, "street"),
    ("Wem gehört der Hund mit der Marke {tag_number} (owner)?", _DOGS, "owner"),
    ("Wer hat den Bauantrag {file_number} gestellt (applicant)?", _PERMITS, "applicant"),
    ("Welchen Status (status) hat der Bauantrag von {applicant}?", _PERMITS, "status"),
    ("Welchen Betrag (amount_eur) hat die Rechnung {number} an {name}?", _INVOICES, "amount_eur"),
)
_EARLIEST = "Wer (name) ist am frühesten geboren (born_on)?"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, what the site's tool has found, and what a right answer names."""

    text: str
    result: str
    expected: tuple[str, ...]


def questions(count: int, seed: int) -> list[Question]:
    """So many, the same for the same seed."""
    draw = random.Random(seed)
    with sqlite3.connect(f"file:{_SITE / 'lindenau.db'}?mode=ro", uri=True) as database:
        found = [*_listed(database)]
        makers: list[Callable[[], Question]] = [
            lambda kind=kind: _made(database, draw, *kind)  # type: ignore[misc]
            for kind in _KINDS
        ]
        makers.append(lambda: _earliest(database, draw))
        while len(found) < count:
            found.append(makers[len(found) % len(makers)]())
    return found[:count]


def known_values() -> dict[str, list[str]]:
    """By kind what the site lists: its citizens and employees, their addresses, accounts and numbers."""
    columns = {
        "person": "SELECT first_name || ' ' || last_name FROM {}",
        "email": "SELECT email FROM {}",
        "phone": "SELECT phone FROM {}",
    }
    with sqlite3.connect(f"file:{_SITE / 'lindenau.db'}?mode=ro", uri=True) as database:

        def column(sql: str) -> list[str]:
            return [value for (value,) in database.execute(sql) if value]

        found = {
            kind: column(sql.format("citizens")) + column(sql.format("employees"))
            for kind, sql in columns.items()
        }
        found["iban"] = column("SELECT iban FROM citizens")
        found["date"] = column("SELECT DISTINCT born_on FROM citizens")
        found["address"] = column("SELECT street || ' ' || house_number FROM addresses")
    return {kind: list(dict.fromkeys(values)) for kind, values in found.items()}


def _listed(database: sqlite3.Connection) -> Iterator[Question]:
    """Those of the example site that a query or a text file answers."""
    entries = tomllib.loads((_SITE / "questions.toml").read_text(encoding="utf-8"))["questions"]
    for entry in entries:
        expected = tuple(entry["expected"])
        if "sql" in entry:
            rows = database.execute(entry["sql"])
            text = _table(rows.description, rows.fetchall(), entry["sql"])
            yield Question(entry["question"], text, expected)
            continue
        path = _SITE / "documents" / entry["source"].partition("#")[0]
        if path.suffix in _TEXTS:
            text = re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8"))
            at = max(0, text.find(expected[0]) - _PASSAGE // 2)
            yield Question(entry["question"], text[at : at + _PASSAGE], expected)


def _rows(
    database: sqlite3.Connection, draw: random.Random, sql: str
) -> tuple[list[str], list[dict[str, object]], str]:
    """Some rows of a query that follow each other, and the text of them."""
    total = len(database.execute(sql).fetchall())
    shown = f"{sql} LIMIT {_ROWS} OFFSET {draw.randrange(total - _ROWS)}"
    found = database.execute(shown)
    names = [column[0] for column in found.description]
    rows = found.fetchall()
    return (
        names,
        [dict(zip(names, row, strict=True)) for row in rows],
        _table(found.description, rows, shown),
    )


def _made(
    database: sqlite3.Connection, draw: random.Random, asked: str, sql: str, column: str
) -> Question:
    _, rows, text = _rows(database, draw, sql)
    row = draw.choice(rows)
    return Question(asked.format(**row), text, (cell(row[column], _LIMITS.cell),))


def _earliest(database: sqlite3.Connection, draw: random.Random) -> Question:
    _, rows, text = _rows(database, draw, _CITIZENS)
    first = min(rows, key=lambda row: str(row["born_on"]))
    return Question(_EARLIEST, text, (str(first["name"]),))


def _table(description: Any, rows: list[tuple[object, ...]], sql: str) -> str:
    """As the site's server for databases tells it."""
    names = tuple(str(column[0]) for column in description)
    told = Rows(names, tuple(rows), False)
    return result(told, [None] * len(names), "lindenau", "internal", sql, _LIMITS).text

"""Fills the town's database with invented rows, the same on every run."""

import sqlite3
import tomllib
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from source.council import council_rows
from source.identifiers import POSTAL_CODE, iban, mail_name, private_phone, tax_id

HERE = Path(__file__).resolve().parent
SEED = 1278
# The day the town's data were taken; nothing in the database is later.
TODAY = date(2026, 11, 1)
HOUSE_NUMBERS = range(1, 43)
CITIZENS, DOG_OWNERS, BUSINESSES, PERMITS = 3000, 360, 460, 340

DEPARTMENTS = (
    (10, "Hauptamt", "101", 110, ("Jörn", "Settgast"), 25),
    (20, "Kämmerei", "120", 120, ("Edda", "Wiesenhütter"), 15),
    (30, "Rechtsamt und Vergabestelle", "128", 128, ("Falk", "Dornieden"), 7),
    (32, "Ordnungsamt", "131", 131, ("Silke", "Mönkemeyer"), 16),
    (33, "Bürgerbüro", "002", 133, ("Tarek", "Aydin"), 14),
    (37, "Feuerwehr und Katastrophenschutz", "Feuerwache", 137, ("Ole", "Harmsdorf"), 11),
    (40, "Amt für Schule, Kultur und Sport", "140", 140, ("Bettina", "Quast"), 18),
    (60, "Bauamt", "211", 165, ("Konrad", "Immel"), 20),
    (70, "Betriebshof", "Hafenstraße 10", 170, ("Gesine", "Papenfuß"), 22),
)
TAX_BY_RANK = (96.0, 144.0, 180.0)
DANGEROUS_TAX = 600.0
RESIDUAL_WASTE = (94.80, 118.80, 166.20, 312.00)

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]


def build_database(target: Path) -> dict[str, int]:
    """Writes the database file and returns the number of rows per table."""
    target.unlink(missing_ok=True)
    rows = make_rows()
    connection = sqlite3.connect(target)
    try:
        connection.execute("PRAGMA page_size = 4096")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript((HERE / "schema.sql").read_text(encoding="utf-8"))
        with connection:
            for table, values in rows.items():
                marks = ", ".join("?" * len(values[0]))
                # Table names are the keys of `make_rows`, never input.
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608
        connection.execute("VACUUM")
    finally:
        connection.close()
    return {table: len(values) for table, values in rows.items()}


def make_rows() -> Rows:
    random = Random(SEED)
    words: dict[str, Any] = tomllib.loads((HERE / "names.toml").read_text(encoding="utf-8"))
    rows: Rows = {}
    rows["departments"], rows["employees"] = _staff(random, words)
    rows["addresses"] = _addresses(random, words)
    rows["citizens"] = _citizens(random, words, len(rows["addresses"]))
    rows["dogs"] = _dogs(random, words)
    rows["businesses"] = _businesses(random, words, rows)
    rows["building_permits"] = _permits(random, words, rows)
    rows["invoices"] = _invoices(random, rows)
    rows["payments"] = _payments(random, rows)
    rows["meetings"], rows["resolutions"] = council_rows(random, words["resolution_titles"])
    return rows


def _day(random: Random, first: date, last: date) -> date:
    return first + timedelta(days=random.randrange((last - first).days + 1))


def _staff(random: Random, words: dict[str, Any]) -> tuple[list[Row], list[Row]]:
    departments: list[Row] = []
    employees: list[Row] = []
    taken: set[str] = set()
    for number, name, room, phone, head, size in DEPARTMENTS:
        mail = f"amt{number}@lindenau-wette.example"
        departments.append((number, name, room, f"030 23125-{phone}", mail, len(employees) + 1))
        for index in range(size):
            first, last = head
            position, grade, hours = "Amtsleitung", random.randrange(12, 16), 39.0
            if index:
                while mail_name(first, last) in taken:
                    first = random.choice(words["first_names"])
                    last = random.choice(words["last_names"])
                leads = index % 7 == 1
                position = "Sachgebietsleitung" if leads else "Sachbearbeitung"
                grade = random.randrange(10, 13) if leads else random.randrange(5, 11)
                hours = random.choice((39.0, 39.0, 39.0, 30.0, 19.5))
            taken.add(mail_name(first, last))
            employees.append(
                (
                    len(employees) + 1,
                    number,
                    first,
                    last,
                    position,
                    f"E {grade}",
                    hours,
                    _day(random, date(1991, 1, 1), date(2026, 9, 1)).isoformat(),
                    f"030 23125-{phone if index == 0 else random.randrange(200, 333)}",
                    f"{mail_name(first, last)}@lindenau-wette.example",
                )
            )
    return departments, employees


def _addresses(random: Random, words: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for district, streets in words["streets"].items():
        for street in streets:
            for number in HOUSE_NUMBERS:
                suffix = "a" if random.random() < 0.05 else ""
                town = "Lindenau an der Wette"
                place = (street, f"{number}{suffix}", POSTAL_CODE, town, district)
                rows.append((len(rows) + 1, *place))
    return rows


def _citizens(random: Random, words: dict[str, Any], addresses: int) -> list[Row]:
    rows: list[Row] = []
    numbers: set[str] = set()
    for index in range(1, CITIZENS + 1):
        first, last = random.choice(words["first_names"]), random.choice(words["last_names"])
        born = _day(random, date(1936, 1, 1), date(2008, 10, 1))
        number = tax_id(random)
        while number in numbers:
            number = tax_id(random)
        numbers.add(number)
        mail = f"{mail_name(first, last)}{index}@example.org" if random.random() < 0.7 else None
        rows.append(
            (
                index,
                random.randrange(1, addresses + 1),
                first,
                last,
                born.isoformat(),
                number,
                iban(random) if random.random() < 0.6 else None,
                private_phone(random) if random.random() < 0.75 else None,
                mail,
                _day(random, max(born, date(1990, 1, 1)), TODAY).isoformat(),
            )
        )
    return rows


def _dogs(random: Random, words: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for owner in sorted(random.sample(range(1, CITIZENS + 1), DOG_OWNERS)):
        for rank in range(random.choices((1, 2, 3), weights=(84, 13, 3))[0]):
            dangerous = random.random() < 0.02
            breed = random.choice(words["dangerous_breeds" if dangerous else "breeds"])
            born = random.randrange(2012, 2026)
            registered = _day(random, date(max(born, 2015), 3, 1), TODAY)
            rows.append(
                (
                    len(rows) + 1,
                    owner,
                    random.choice(words["dog_names"]),
                    breed,
                    born,
                    f"LW-{1001 + len(rows)}",
                    registered.isoformat(),
                    int(dangerous),
                    DANGEROUS_TAX if dangerous else TAX_BY_RANK[rank],
                )
            )
    return rows


def _businesses(random: Random, words: dict[str, Any], rows: Rows) -> list[Row]:
    businesses: list[Row] = []
    for index in range(1, BUSINESSES + 1):
        owner = random.choice(rows["citizens"])
        trade, sector = random.choice(words["trades"])
        registered = _day(random, date(1995, 1, 1), date(2026, 10, 1))
        closed = _day(random, registered, TODAY) if random.random() < 0.18 else None
        businesses.append(
            (
                index,
                owner[0],
                random.randrange(1, len(rows["addresses"]) + 1),
                f"{trade} {owner[3]}",
                sector,
                registered.isoformat(),
                closed.isoformat() if closed else None,
                int(random.expovariate(0.25)) + 1,
            )
        )
    return businesses


def _permits(random: Random, words: dict[str, Any], rows: Rows) -> list[Row]:
    clerks = [employee[0] for employee in rows["employees"] if employee[1] == 60]
    days = sorted(_day(random, date(2023, 1, 9), date(2026, 10, 23)) for _ in range(PERMITS))
    permits: list[Row] = []
    counts: dict[int, int] = {}
    for submitted in days:
        counts[submitted.year] = counts.get(submitted.year, 0) + 1
        decided = submitted + timedelta(days=random.randrange(25, 170))
        open_file = decided > TODAY
        outcome = random.choices(("genehmigt", "abgelehnt", "zurückgezogen"), (82, 11, 7))[0]
        cost = round(random.lognormvariate(11.4, 0.9), -2)
        permits.append(
            (
                len(permits) + 1,
                f"BA-{submitted.year}-{counts[submitted.year]:04d}",
                random.randrange(1, CITIZENS + 1),
                random.randrange(1, len(rows["addresses"]) + 1),
                random.choice(clerks),
                random.choice(words["permit_kinds"]),
                submitted.isoformat(),
                None if open_file else decided.isoformat(),
                "in Prüfung" if open_file else outcome,
                cost,
                max(150.0, round(cost * 0.006, 2)),
            )
        )
    return permits


def _invoices(random: Random, rows: Rows) -> list[Row]:
    """Dog tax and waste fees of both years, permit fees and resident parking permits."""
    drafts: list[tuple[date, int, int, str, int, float]] = []
    for year in (2025, 2026):
        issued = date(year, 1, 15)
        for dog in rows["dogs"]:
            if date.fromisoformat(dog[6]) < issued:
                drafts.append((issued, dog[1], 20, "Hundesteuer", 31, dog[8]))
        for citizen in random.sample(range(1, CITIZENS + 1), 620):
            fee = random.choice(RESIDUAL_WASTE)
            drafts.append((date(year, 2, 2), citizen, 70, "Abfallgebühr", 28, fee))
        for citizen in random.sample(range(1, CITIZENS + 1), 110):
            day = _day(random, date(year, 1, 2), date(year, 10, 20))
            drafts.append((day, citizen, 33, "Bewohnerparkausweis", 14, 120.0))
    for permit in rows["building_permits"]:
        if permit[8] in ("genehmigt", "abgelehnt"):
            drafts.append(
                (date.fromisoformat(permit[7]), permit[2], 60, "Baugebühr", 30, permit[10])
            )
    drafts.sort()
    invoices: list[Row] = []
    for index, (issued, citizen, department, kind, days, amount) in enumerate(drafts, start=1):
        due = issued + timedelta(days=days)
        status = "bezahlt" if random.random() < (0.93 if due < TODAY else 0.4) else "offen"
        if status == "offen" and (TODAY - due).days > 45:
            status = "gemahnt"
        number = f"R{issued.year}-{index:05d}"
        dates = (issued.isoformat(), due.isoformat())
        invoices.append((index, number, citizen, department, kind, *dates, amount, status))
    return invoices


def _payments(random: Random, rows: Rows) -> list[Row]:
    accounts = {citizen[0]: citizen[6] for citizen in rows["citizens"]}
    payments: list[Row] = []
    for invoice in rows["invoices"]:
        if invoice[8] != "bezahlt":
            continue
        account = accounts[invoice[2]]
        methods = ("Lastschrift", "Überweisung") if account else ("Karte", "bar")
        paid = min(TODAY, date.fromisoformat(invoice[5]) + timedelta(random.randrange(3, 40)))
        payments.append(
            (
                len(payments) + 1,
                invoice[0],
                paid.isoformat(),
                invoice[7],
                random.choice(methods),
                account,
            )
        )
    return payments

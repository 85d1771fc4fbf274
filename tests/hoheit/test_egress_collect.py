"""`hoheit egress collect`: what stands in labelled columns is written into lists by which the boundary knows it."""

import json
import sqlite3
import stat
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from program import Program

SETTINGS = """
[[databases.databases]]
name = "town"
url = "sqlite:///{}"
labels = {{ "citizens.name" = "person", "citizens.iban" = "iban", "citizens.note" = "text" }}
"""
ROWS = [
    ("Jörg Weißmüller", "DE02 1203 0000 0000 2020 51", "?"),
    ("Anna Lang", None, "x"),
    ("Anna Lang", None, "Kurpark"),
]


@pytest.fixture
def town(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "town.db")) as connection:
        connection.execute("CREATE TABLE citizens (name TEXT, iban TEXT, note TEXT)")
        connection.executemany("INSERT INTO citizens VALUES (?, ?, ?)", ROWS)
        connection.commit()
        yield connection


@pytest.fixture
def site(tmp_path: Path, town: sqlite3.Connection) -> Program:
    (tmp_path / "hoheit.toml").write_text(SETTINGS.format(tmp_path / "town.db"), encoding="utf-8")
    return Program(tmp_path, "egress")


def test_what_it_writes_and_prints_is_what_the_boundary_needs(site: Program) -> None:
    said = site.said("collect")
    folder = site.home / "lists"
    assert (folder / "person.txt").read_text("utf-8") == "Anna Lang\nJörg Weißmüller\n"
    assert (folder / "text.txt").read_text("utf-8") == "Kurpark\n"
    assert f"{folder}/text.txt: 1 values, 2 too short (town: citizens.note)" in said
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    text = "Jörg Weißmüllers Konto DE02120300000000202051 und Frau Lang, Anna, im KURPARK"
    assert "KURPARK" in site.said("preview", text)
    added = said.split("Add to the settings:")[1]
    assert len(tomllib.loads(added)["adapter"]["egress"]["dictionaries"]) == 3
    with (site.home / "hoheit.toml").open("a", encoding="utf-8") as file:
        file.write(added)
    left = json.loads(site.said("preview", "--json", text))
    assert left["replaced"] == {"person": 2, "iban": 1, "text": 1}
    assert "Add to the settings" not in site.said("collect")


def test_a_value_of_another_kind_is_listed_with_its_column_and_any_path_is_told_as_toml(
    site: Program, town: sqlite3.Connection
) -> None:
    settings = site.home / "hoheit.toml"
    settings.write_text(
        settings.read_text("utf-8").replace('"citizens.note" = "text"', '"citizens.note" = "date"'),
        encoding="utf-8",
    )
    town.execute("UPDATE citizens SET note = '2026-03-05' WHERE note = 'x'")
    town.commit()
    folder = site.home / 'a "quoted" folder'
    said = site.said("collect", "--to", str(folder))
    assert (folder / "date.txt").read_text("utf-8") == "2026-03-05\n"
    assert (folder / "text.txt").read_text("utf-8") == "Kurpark\n"
    assert f"{folder}/text.txt: 1 values, 1 too short (town: citizens.note)" in said
    added = tomllib.loads(said.split("Add to the settings:")[1])
    paths = {each["path"] for each in added["adapter"]["egress"]["dictionaries"]}
    assert paths == {str(each) for each in folder.iterdir()}


def test_a_list_is_replaced_only_if_something_in_it_changed(
    site: Program, town: sqlite3.Connection
) -> None:
    site.said("collect", "--to", str(site.home / "kept"))
    before = {each.name: each.stat().st_ino for each in (site.home / "kept").iterdir()}
    town.execute("UPDATE citizens SET name = 'Eva Aue' WHERE name = 'Anna Lang'")
    town.commit()
    lists = json.loads(site.said("collect", "--to", str(site.home / "kept"), "--json"))["lists"]
    after = {each.name: each.stat().st_ino for each in (site.home / "kept").iterdir()}
    assert {each["kind"]: each["changed"] for each in lists} == {
        "person": True,
        "iban": False,
        "text": False,
    }
    assert {name for name in after if after[name] != before[name]} == {"person.txt"}


def test_what_was_written_stays_if_a_database_cannot_be_read(
    site: Program, town: sqlite3.Connection
) -> None:
    site.said("collect")
    town.execute("INSERT INTO citizens (name) VALUES ('Max Neu')")
    town.execute("ALTER TABLE citizens RENAME COLUMN note TO remark")
    town.commit()
    assert "'citizens.note', which does not exist" in site.refused("collect")
    lists = {each.name for each in (site.home / "lists").iterdir()}
    assert lists == {"person.txt", "iban.txt", "text.txt"}
    assert "Max Neu" not in (site.home / "lists" / "person.txt").read_text("utf-8")


def test_without_a_labelled_column_it_says_how_to_label_one(site: Program) -> None:
    settings = site.home / "hoheit.toml"
    settings.write_text(
        "\n".join(
            line
            for line in settings.read_text("utf-8").splitlines()
            if not line.startswith("labels")
        ),
        encoding="utf-8",
    )
    assert "No column is labelled" in site.said("collect")
    assert list((site.home / "lists").iterdir()) == []

"""A site's lists of values: read whole, or refused with the line to correct."""

from pathlib import Path

import pytest

from backend_adapter.egress.guard import Guard
from backend_adapter.egress.known.dictionary import Value
from backend_adapter.egress.known.lists import read_values
from backend_adapter.egress.settings import DictionarySettings, EgressSettings
from backend_adapter.errors import SettingsError


def values(path: Path, **given: str) -> list[Value]:
    settings = DictionarySettings.model_validate({"path": path, "kind": "person", **given})
    return read_values((settings, settings))


def test_a_list_has_a_value_in_each_line(tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text("\ufeffJörg Weißmüller\n\n  Anna Lang \r\nAnna Lang\n", encoding="utf-8")
    assert values(file) == [Value("person", "Jörg Weißmüller"), Value("person", "Anna Lang")]


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_table_has_them_in_a_column(separator: str, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    rows = [("id", "name"), ("1", "Anna Lang"), ("2", ""), ("3", '"Groß, KG"')]
    file.write_text("\n".join(separator.join(row) for row in rows), encoding="utf-8-sig")
    found = values(file, column="name", kind="text")
    assert found == [Value("text", "Anna Lang"), Value("text", "Groß, KG")]


@pytest.mark.parametrize(
    ("name", "content", "given", "said"),
    [
        ("gone.txt", None, {}, "No such file"),
        (
            "a.csv",
            b"id,name\n1,x y\n",
            {"column": "Name"},
            "no column 'Name'; its columns are: id, name",
        ),
        ("a.csv", b"", {"column": "name"}, "no column 'name'"),
        ("a.txt", b"Anna Lang\nx\n", {}, "line 2: a value of 1 characters is no person"),
        ("a.txt", b"...\n", {}, "line 1"),
        ("a.txt", b"1987-03-05\n5.3.1987\n", {"kind": "date"}, "line 2: .* is no date"),
        ("a.txt", b"J\xf6rg\n", {}, "UTF-8"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_whole(
    name: str, content: bytes | None, given: dict[str, str], said: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=said) as refused:
        values(file, **given)
    # What is in it is nobody's business.
    assert "x y" not in str(refused.value)


@pytest.mark.parametrize("key", [None, "too-short"])
def test_values_need_a_key_to_make_pseudonyms_with(key: str | None, tmp_path: Path) -> None:
    file = tmp_path / "people.txt"
    file.write_text("Anna Lang\n")
    listed = {"path": file, "kind": "person"}
    settings = EgressSettings.model_validate({"key": key, "dictionaries": [listed]})
    with pytest.raises(SettingsError, match="at least 32") as refused:
        Guard.read(settings)
    assert "too-short" not in str(refused.value)
    Guard.read(EgressSettings())

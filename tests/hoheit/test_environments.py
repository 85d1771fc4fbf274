"""Isolated environments are built once, found by the hash of their lists, and never left half-built."""

import shutil
from pathlib import Path

import pytest

from hoheit import environments
from hoheit.environments import ENVIRONMENTS, ensure, install, is_built, location
from hoheit.errors import BuildError
from hoheit.progress import Progress


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    shutil.copy(environments.LISTS / "pip.txt", folder)
    (folder / "tiny.txt").write_text("# size: download 0 MB, disk 1 MB\n")
    monkeypatch.setattr(environments, "LISTS", folder)
    monkeypatch.setitem(ENVIRONMENTS, "tiny", ("tiny",))
    return folder


def test_an_environment_is_built_once(
    lists: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = ensure("tiny", tmp_path / "root", Progress())
    assert (first / "bin" / "python").exists()
    assert "Installing tiny" in capfd.readouterr().err
    assert ensure("tiny", tmp_path / "root", Progress()) == first
    assert capfd.readouterr().err == ""


def test_a_changed_list_means_another_folder(lists: Path, tmp_path: Path) -> None:
    before = location("tiny", tmp_path)
    (lists / "tiny.txt").write_text("# another one\n")
    assert location("tiny", tmp_path) != before


def test_a_build_that_fails_says_why_and_leaves_nothing(lists: Path, tmp_path: Path) -> None:
    (lists / "tiny.txt").write_text("./no-such-package-1.0-py3-none-any.whl\n")
    with pytest.raises(BuildError) as error:
        ensure("tiny", tmp_path / "root", Progress())
    assert "no-such-package" in str(error.value)
    assert not is_built("tiny", tmp_path / "root")
    assert not location("tiny", tmp_path / "root").exists()


def test_too_little_room_is_said_before_anything_is_written(lists: Path, tmp_path: Path) -> None:
    (lists / "tiny.txt").write_text("# size: download 9 MB, disk 999999999 MB\n")
    with pytest.raises(BuildError) as error:
        install(tmp_path / "environment", ["tiny"], Progress())
    assert "MB free" in str(error.value)
    assert not (tmp_path / "environment").exists()


def test_every_list_that_an_environment_names_is_in_the_project() -> None:
    for names in (*ENVIRONMENTS.values(), ("hoheit", "dev", "weights", "pip")):
        for name in names:
            assert (environments.LISTS / f"{name}.txt").is_file()


@pytest.mark.parametrize(
    "name", ["hoheit", "dev", "weights", "pip", "open-webui", "open-webui-full"]
)
def test_every_pin_is_locked_by_a_hash(name: str) -> None:
    text = (environments.LISTS / f"{name}.txt").read_text()
    pins = [
        block
        for block in text.replace("\\\n", " ").splitlines()
        if "==" in block and block[0] != "#"
    ]
    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)


def test_another_python_is_refused_with_the_way_to_name_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(environments.sys, "version_info", (3, 13, 1))
    assert environments.main(["project", str(tmp_path / "venv"), "hoheit"]) == 1
    said = capfd.readouterr().err
    assert "Python 3.13.1" in said
    assert "PYTHON=python3.11" in said
    assert not (tmp_path / "venv").exists()

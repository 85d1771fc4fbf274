"""What the README says is true: its commands exist, its links lead somewhere, its settings are accepted."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from hoheit.cli import app
from hoheit.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_it_names_exists(page: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    known = {*commands}
    for group in ("petals", "vllm", "egress"):
        known |= {f"{group} {name}" for name in commands[group].commands}
    for name in re.findall(r"`hoheit ((?:petals |vllm |egress )?[a-z-]+)", page.read_text()):
        assert name in known, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_it_names_exists(page: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for name in re.findall(r"`make ([a-z-]+)", page.read_text()):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


def test_the_settings_it_shows_are_accepted() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        Settings(**tomllib.loads(block))

"""The files that an admin imports."""

import ast
import re
import sys

import pytest

from webui_pipelines.bundle import JSON_NAME, Function, bundle

FUNCTIONS = [pytest.param(function, id=function.id) for function in bundle().functions]
ALLOWED = {"aiohttp", "pydantic"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_stands_alone(function: Function) -> None:
    imported = set()
    for node in ast.walk(ast.parse(function.source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= ALLOWED


@pytest.mark.parametrize("function", FUNCTIONS)
def test_open_webui_stores_it_unchanged(function: Function) -> None:
    # It replaces these wherever they stand, in comments and texts too.
    for rewritten in ("from utils", "from apps", "from main", "from config"):
        assert rewritten not in function.source
    assert function.source.splitlines()[0] == '"""'


@pytest.mark.parametrize("function", FUNCTIONS)
def test_its_head_says_what_an_admin_needs(function: Function) -> None:
    assert function.id.isidentifier()
    assert function.id == function.id.lower()
    assert set(function.manifest) == {
        "title",
        "author",
        "version",
        "license",
        "required_open_webui_version",
        "description",
    }
    assert re.fullmatch(r"\d+\.\d+\.\d+", function.manifest["version"])


def test_the_page_links_every_file_with_its_checksum() -> None:
    page = bundle().page("http://adapter.example:8081/")
    for name, file in bundle().files.items():
        assert f'href="http://adapter.example:8081/install/{name}"' in page
        assert file.sha256 in page


def test_the_page_loads_nothing_from_anywhere() -> None:
    page = bundle().page("http://adapter.example:8081")
    assert "<script" not in page
    assert not re.search(r"\b(src|@import|url\()", page)
    assert set(re.findall(r"https?://[^/\"<]+", page)) == {"http://adapter.example:8081"}


def test_an_address_cannot_break_out_of_the_page() -> None:
    assert '"><b>' not in bundle().page('http://x"><b>')


def test_the_files_are_served_as_what_they_are() -> None:
    kinds = {name: file.content_type for name, file in bundle().files.items()}
    assert kinds[JSON_NAME] == "application/json"
    assert all(
        kind.startswith("text/x-python") for name, kind in kinds.items() if name.endswith(".py")
    )

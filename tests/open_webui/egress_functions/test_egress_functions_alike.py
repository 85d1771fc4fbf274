"""What holds for every function about the egress boundary."""

import ast
import re
import socket

import pytest

from tests.open_webui.egress_functions.asking import (
    lines_of,
    metadata,
    switch_on,
)
from tests.open_webui.scripted_adapter import ScriptedAdapter
from webui_pipelines.bundle import bundle
from webui_pipelines.functions import hoheit_filter, hoheit_on_site, hoheit_sent


def parts_about_asking(source: str) -> dict[str, str]:
    shared = {"AdapterError", "_ask", "_ask_text", "_object", "_signed", "_base64"}
    return {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.parse(source).body
        if isinstance(node, (ast.AsyncFunctionDef, ast.FunctionDef, ast.ClassDef))
        and node.name in shared
    }


def test_every_function_asks_the_adapter_in_the_same_way() -> None:
    filter_, *others = (bundle().function(f"hoheit_{n}") for n in ("filter", "sent", "on_site"))
    wanted = parts_about_asking(filter_.source)
    assert len(wanted) == 6
    assert [parts_about_asking(other.source) for other in others] == [wanted, wanted]
    pipe = parts_about_asking(bundle().function("hoheit_pipe").source)
    assert {name: pipe[name] for name in ("_signed", "_base64")}.items() <= wanted.items()


def test_both_languages_have_the_same_words() -> None:
    for module in (hoheit_filter, hoheit_on_site, hoheit_sent):
        words: dict[str, dict[str, str]] = module._WORDS  # type: ignore[attr-defined]
        for name in words["en"]:
            fields = [set(re.findall(r"\{(\w+)\}", words[language][name])) for language in words]
            assert fields[0] == fields[1], name
        assert words["en"].keys() == words["de"].keys()


async def test_an_adapter_that_does_not_answer_is_not_waited_for(adapter: ScriptedAdapter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        [line] = await lines_of(address, chat="chat", adapter_timeout_s=0.2)
        assert "TimeoutError" in line
        with pytest.raises(hoheit_on_site.NotOnSiteError, match="TimeoutError"):
            await switch_on(address, metadata("chat"), adapter_timeout_s=0.2)

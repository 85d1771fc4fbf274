"""Merging what the bundle needs into what an admin already has, for any such state."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoheit.errors import OpenWebUIError
from hoheit.open_webui import desired
from hoheit.open_webui.desired import ToolServer

URL, KEY = "http://127.0.0.1:8081/v1", "key"
SERVER = ToolServer("files", "Documents", "What lies here", "http://127.0.0.1:8083/mcp", "token")

words = st.text("abcxyz", min_size=1, max_size=5)
foreign_urls = words.map(lambda word: f"http://{word}.example/v1")
foreign_settings = st.fixed_dictionaries(
    {}, optional={"enable": st.booleans(), "prefix_id": words, "headers": st.just({"X-Other": "1"})}
)


@st.composite
def connection_states(draw: st.DrawFn) -> dict[str, Any]:
    urls = draw(st.lists(foreign_urls, max_size=4))
    return {
        "ENABLE_OPENAI_API": True,
        "OPENAI_API_BASE_URLS": urls,
        "OPENAI_API_KEYS": draw(st.lists(words, min_size=len(urls), max_size=len(urls))),
        "OPENAI_API_CONFIGS": {
            str(number): draw(foreign_settings)
            for number in range(len(urls))
            if draw(st.booleans())
        },
    }


tool_server_states = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["mcp", "openapi"]),
            "url": words.map(lambda word: f"http://{word}.example/mcp"),
            "info": st.one_of(st.none(), st.fixed_dictionaries({"id": words})),
        }
    ),
    max_size=4,
)


@given(connection_states())
def test_merging_a_connection_twice_is_merging_it_once(state: dict[str, Any]) -> None:
    once, index = desired.connection(state, URL, KEY)
    assert desired.connection(once, URL, KEY) == (once, index)
    assert (once["OPENAI_API_BASE_URLS"][index], once["OPENAI_API_KEYS"][index]) == (URL, KEY)


@given(connection_states())
def test_other_connections_keep_their_place_key_and_settings(state: dict[str, Any]) -> None:
    before = copy.deepcopy(state)
    merged, index = desired.connection(state, URL, KEY)
    assert state == before
    others = len(before["OPENAI_API_BASE_URLS"])
    assert index == others
    assert merged["OPENAI_API_BASE_URLS"][:others] == before["OPENAI_API_BASE_URLS"]
    assert merged["OPENAI_API_KEYS"][:others] == before["OPENAI_API_KEYS"]
    for number, settings in before["OPENAI_API_CONFIGS"].items():
        assert merged["OPENAI_API_CONFIGS"][number] == settings


def test_an_adapter_that_moved_keeps_its_connection() -> None:
    empty = {"ENABLE_OPENAI_API": True, "OPENAI_API_BASE_URLS": [], "OPENAI_API_KEYS": []}
    first, index = desired.connection(empty, URL, KEY)
    first["OPENAI_API_CONFIGS"]["0"]["prefix_id"] = "site"
    moved, same = desired.connection(first, "http://10.0.0.5:8081/v1", "new")
    assert same == index
    assert moved["OPENAI_API_BASE_URLS"] == ["http://10.0.0.5:8081/v1"]
    assert moved["OPENAI_API_CONFIGS"]["0"]["prefix_id"] == "site"


def test_connections_that_are_off_are_not_opened_along_with_ours() -> None:
    state = {
        "ENABLE_OPENAI_API": False,
        "OPENAI_API_BASE_URLS": ["https://abroad.example/v1"],
        "OPENAI_API_KEYS": ["k"],
        "OPENAI_API_CONFIGS": {},
    }
    with pytest.raises(OpenWebUIError):
        desired.connection(state, URL, KEY)
    alone = {**state, "OPENAI_API_BASE_URLS": [], "OPENAI_API_KEYS": []}
    assert desired.connection(alone, URL, KEY)[0]["ENABLE_OPENAI_API"] is True


@given(tool_server_states)
def test_merging_a_tool_server_twice_is_merging_it_once(state: list[dict[str, Any]]) -> None:
    once = desired.tool_servers(state, SERVER)
    assert once[:-1] == state
    assert desired.tool_servers(once, SERVER) == once


def test_a_tool_server_keeps_who_may_use_it_and_gets_the_new_token() -> None:
    state = desired.tool_servers([], SERVER)
    state[0]["config"] = {"enable": False, "access_grants": []}
    state[0]["key"] = "old"
    state[0]["info"]["name"] = "Unterlagen"
    merged = desired.tool_servers(state, SERVER)[0]
    assert merged["key"] == "token"
    assert merged["config"] == {"enable": False, "access_grants": []}
    assert merged["info"]["name"] == "Unterlagen"


def test_a_foreign_server_with_our_id_is_an_error() -> None:
    foreign = {"type": "mcp", "url": "http://other.example/mcp", "info": {"id": "files"}}
    with pytest.raises(OpenWebUIError) as refused:
        desired.tool_servers([foreign], SERVER)
    assert "http://other.example/mcp" in refused.value.message


def test_a_new_model_is_open_to_all_with_site_tools_and_without_builtin_ones() -> None:
    entry = desired.model_entry(None, "m", "M", [SERVER.tool_id])
    assert entry["meta"]["toolIds"] == ["server:mcp:files"]
    assert entry["meta"]["capabilities"]["builtin_tools"] is False
    assert desired.open_to_all(entry["access_grants"])


@given(
    st.fixed_dictionaries(
        {
            "id": words,
            "name": words,
            "params": st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 1)}),
            "is_active": st.booleans(),
            "access_grants": st.lists(st.just({"principal_type": "group"}), max_size=1),
            "meta": st.fixed_dictionaries(
                {},
                optional={
                    "description": words,
                    "toolIds": st.lists(words, max_size=2, unique=True),
                    "capabilities": st.fixed_dictionaries({}, optional={"vision": st.booleans()}),
                },
            ),
        }
    )
)
def test_a_registered_model_keeps_what_its_admin_chose(existing: dict[str, Any]) -> None:
    entry = desired.model_entry(existing, existing["id"], "other name", [SERVER.tool_id])
    assert entry["name"] == existing["name"]
    assert entry["is_active"] == existing["is_active"]
    assert "access_grants" not in entry
    assert existing["params"].items() <= entry["params"].items()
    assert existing["meta"].get("description") == entry["meta"].get("description")
    assert set(existing["meta"].get("toolIds", [])) <= set(entry["meta"]["toolIds"])
    for key, value in existing["meta"].get("capabilities", {}).items():
        assert entry["meta"]["capabilities"][key] == value
    assert desired.model_entry(entry, existing["id"], "x", [SERVER.tool_id]) == entry


@pytest.mark.parametrize(
    ("existing", "opened"),
    [
        ({"meta": {}, "access_grants": []}, True),
        ({"meta": {}, "access_grants": [{"principal_type": "group"}]}, False),
        ({"meta": {desired.MARK: {}}, "access_grants": []}, False),
    ],
)
def test_only_a_model_that_nobody_decided_about_is_opened(
    existing: dict[str, Any], opened: bool
) -> None:
    assert (desired.model_access(existing) is not None) is opened


def test_a_model_is_given_each_switch_once() -> None:
    new = desired.model_entry(None, "m", "M", [])
    assert new["meta"]["filterIds"] == ["hoheit_on_site"]
    taken_away = {**new, "meta": {**new["meta"], "filterIds": ["theirs"]}}
    assert desired.model_entry(taken_away, "m", "M", [])["meta"]["filterIds"] == ["theirs"]


def test_a_model_that_was_registered_before_there_were_switches_gets_them() -> None:
    meta = {"hoheit": {"registered": True}, "filterIds": ["theirs"]}
    entry = desired.model_entry({"id": "m", "name": "M", "meta": meta}, "m", "M", [])
    assert entry["meta"]["filterIds"] == ["theirs", "hoheit_on_site"]
    assert desired.model_entry(entry, "m", "M", []) == entry

"""The line under an answer: what its receipts say, and that it is not known where nobody says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.open_webui.background import running
from tests.open_webui.egress_functions.asking import (
    BAD_ANSWERS,
    ENGLISH,
    GERMAN,
    OneAnswer,
    lines_of,
    receipt,
    send,
)
from tests.open_webui.scripted_adapter import ScriptedAdapter
from webui_pipelines.functions import hoheit_filter

AT_HOME = receipt(destination="embedded", site="", trust="site", action="send")

LINES = [
    (
        [receipt(passages={"files/intern": 3}, counts={"PERSON": 2, "listed": 5}), receipt(site="Graz")],
        "Sent 3 passages, 7 values protected, to Lyon and Graz",
        "Gesendet: 3 Textstellen, 7 Werte geschützt, an Lyon und Graz",
    ),
    (
        # A loop: the second request holds what the first one held.
        [receipt(passages={"a": 1}, counts={"x": 1}), receipt(passages={"a": 1, "b": 1}, counts={"x": 1})],
        "Sent 2 passages, 1 value protected, to Lyon",
        "Gesendet: 2 Textstellen, 1 Wert geschützt, an Lyon",
    ),
    (
        [receipt(action="send", site="", counts={"x": 1234})],
        "Sent the chat, 1,234 values protected, to cluster",
        "Gesendet: der Chat, 1.234 Werte geschützt, an cluster",
    ),
    (
        [receipt(), receipt(site="Graz"), receipt(site="Oslo"), receipt()],
        "Sent the chat, no values protected, to Lyon, Graz and Oslo",
        "Gesendet: der Chat, keine Werte geschützt, an Lyon, Graz und Oslo",
    ),
    ([AT_HOME], "Stayed on site", "Im Haus geblieben"),
    (
        [receipt(action="on_site", data_class="secret")],
        "Answered on site: this chat is secret",
        "Im Haus beantwortet: Dieser Chat ist geheim",
    ),
    (
        [receipt(action="on_site", policy="the chat's own switch", data_class="secret")],
        "Answered on site: this chat stays on site",
        "Im Haus beantwortet: Dieser Chat bleibt im Haus",
    ),
    (
        [receipt(action="on_site", policy="unregistered results")],
        "Answered on site: unregistered results",
        "Im Haus beantwortet: unregistered results",
    ),
    (
        [receipt(), receipt(action="refuse", policy="policy.yaml:9")],
        "Sent the chat, no values protected, to Lyon · Not sent, as policy.yaml:9 says",
        "Gesendet: der Chat, keine Werte geschützt, an Lyon · Nicht gesendet, wie policy.yaml:9 es verlangt",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("receipts", "english", "german"), LINES)
def test_the_line_says_what_the_receipts_say(
    receipts: list[dict[str, Any]], english: str, german: str
) -> None:
    assert hoheit_filter._told(receipts, ENGLISH) == english
    assert hoheit_filter._told(receipts, GERMAN) == german


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(receipt(), json_values)), min_size=1)
)
def test_whatever_receipts_hold_the_line_is_made(receipts: list[dict[str, Any]]) -> None:
    assert hoheit_filter._told(receipts, ENGLISH)


@pytest.mark.parametrize("server", BAD_ANSWERS)
async def test_an_answer_that_is_none_is_said_to_be_unknown(server: OneAnswer) -> None:
    with running(server):
        [line] = await lines_of(server.base_url, chat="chat")
        assert line.startswith("What left the site is not known")
        # Another provider's model is none of the adapter's business.
        assert await lines_of(server.base_url, model={}, chat="chat") == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/v1", "no address", "http://[/v1"])
async def test_an_adapter_that_is_not_there_is_said_to_be_unknown(address: str) -> None:
    [line] = await lines_of(address, chat="chat", language="de")
    assert line.startswith("Was das Haus verließ, ist nicht bekannt")


async def test_an_answer_without_a_receipt_stayed_on_site(adapter: ScriptedAdapter) -> None:
    assert await lines_of(adapter, chat="never seen") == ["Stayed on site"]
    assert await lines_of(adapter, model={}, chat="never seen") == []


async def test_requests_that_do_not_say_for_which_answer_are_not_taken_for_none(
    adapter: ScriptedAdapter,
) -> None:
    await send(adapter, "unnamed", "NOTOOL hello", message="")
    [line] = await lines_of(adapter, chat="unnamed")
    assert line.startswith("What left the site is not known")
    # A title that says so tells nothing about an answer.
    await send(adapter, "titled", "NOTOOL hello", message="", task="title_generation")
    assert await lines_of(adapter, chat="titled") == ["Stayed on site"]

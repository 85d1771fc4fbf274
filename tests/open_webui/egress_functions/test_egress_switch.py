"""The switch that keeps a chat on site: nothing is sent unless the adapter confirms it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from tests.open_webui.background import running
from tests.open_webui.egress_functions.asking import (
    BAD_ANSWERS,
    OURS,
    USER,
    OneAnswer,
    Page,
    metadata,
    pointed,
    switch_on,
)
from tests.open_webui.scripted_adapter import ScriptedAdapter
from webui_pipelines.functions import hoheit_filter, hoheit_on_site, hoheit_sent


@pytest.mark.parametrize("chat", ["plain", "temporary:a/b", "local:x?y#z", "ümlaut ../"])
async def test_the_switch_names_the_chat_whatever_its_id_is(
    adapter: ScriptedAdapter, chat: str
) -> None:
    assert await switch_on(adapter, metadata(chat)) == {"messages": []}
    assert chat in adapter.kept


@pytest.mark.parametrize("server", BAD_ANSWERS)
async def test_a_switch_that_nobody_confirms_stops_the_message(server: OneAnswer) -> None:
    with running(server), pytest.raises(hoheit_on_site.NotOnSiteError, match="Nothing was sent"):
        await switch_on(server.base_url, metadata("chat"))


async def test_an_adapter_that_does_not_agree_stops_the_message() -> None:
    server = OneAnswer(200, '{"on_site":false}')
    with running(server), pytest.raises(hoheit_on_site.NotOnSiteError):
        await switch_on(server.base_url, metadata("chat"))


async def test_an_adapter_that_is_not_there_stops_the_message_in_german_too() -> None:
    with pytest.raises(hoheit_on_site.NotOnSiteError, match="Nichts wurde gesendet"):
        await switch_on("http://127.0.0.1:9/v1", metadata("chat", "de-AT"))


async def test_without_a_key_or_a_chat_the_message_stops(adapter: ScriptedAdapter) -> None:
    with pytest.raises(hoheit_on_site.NotOnSiteError):
        await hoheit_on_site.Filter().inlet({}, USER, metadata("chat"))
    with pytest.raises(hoheit_on_site.NotOnSiteError):
        await switch_on(adapter, metadata(""))


async def switched_off(
    adapter: ScriptedAdapter, chat: str, page: Page, model: Any = OURS, request: Any = None
) -> Any:
    function = pointed(hoheit_filter.Filter(), adapter)
    return await function.inlet({}, USER, metadata(chat), request, model, page.call)


async def test_a_chat_leaves_the_site_again_only_after_a_yes(adapter: ScriptedAdapter) -> None:
    for answer in (False, None, "", {"error": "Client session disconnected."}, "true"):
        adapter.kept.add("asked")
        page = Page(answer)
        await switched_off(adapter, "asked", page)
        [event] = page.asked
        assert (event["type"], event["data"]["title"]) == (
            "confirmation",
            "This chat has stayed on site so far",
        )
        assert "asked" in adapter.kept
    page = Page(True)
    await switched_off(adapter, "asked", page)
    assert "asked" not in adapter.kept
    await switched_off(adapter, "asked", page)
    assert len(page.asked) == 1


async def test_a_page_that_never_answers_leaves_the_chat_on_site(
    adapter: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Page):
        async def call(self, event: dict[str, Any]) -> Any:
            await asyncio.Event().wait()

    monkeypatch.setattr(hoheit_filter, "_PATIENCE_S", 0.05)
    adapter.kept.add("silent")
    await switched_off(adapter, "silent", Silent())
    assert "silent" in adapter.kept
    monkeypatch.setattr(hoheit_sent, "_PAGE_S", 0.05)
    assert await hoheit_sent._about_the_page(Silent().call) == ("en", False)


async def test_nobody_is_asked_while_the_switch_is_on(adapter: ScriptedAdapter) -> None:
    adapter.kept.add("on")
    page = Page(True)
    function = pointed(hoheit_filter.Filter(), adapter)
    about = metadata("on", filter_ids=["hoheit_on_site"])
    await function.inlet({}, USER, about, None, OURS, page.call)
    assert page.asked == []
    assert "on" in adapter.kept


@dataclass
class Named:
    """Stands for Open WebUI's request, of which only the list of models is read."""

    MODELS: dict[str, Any]

    @property
    def app(self) -> "Named":
        return self

    @property
    def state(self) -> "Named":
        return self


async def test_a_chat_that_stays_on_site_does_not_go_to_a_model_past_the_adapter(
    adapter: ScriptedAdapter,
) -> None:
    adapter.kept.add("stays")
    request = Named({"ours": OURS, "theirs": {"id": "theirs"}})
    for model in ({"id": "theirs"}, {"id": "x", "info": {"base_model_id": "theirs"}}, None):
        with pytest.raises(ValueError, match="stays on site"):
            await switched_off(adapter, "stays", Page(False), model, request)
    made_of_ours = {"id": "x", "info": {"base_model_id": "ours"}}
    await switched_off(adapter, "stays", Page(False), made_of_ours, request)

"""What a person is shown of the egress boundary, inside a real Open WebUI: line, button and switch."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from hoheit.open_webui.client import OpenWebUIClient, RefusedError
from hoheit.provision import provision
from tests.open_webui.chat_driver import chat, saved, start_chat, statuses, texts
from tests.open_webui.conftest import Site
from tests.open_webui.scripted_adapter import NAME

pytestmark = pytest.mark.xdist_group("open_webui")

SWITCH = ["hoheit_on_site"]


@pytest.fixture
def away(site: Site) -> Iterator[None]:
    """The adapter answers chats, and nothing about them."""
    site.upstream.away = True
    yield
    site.upstream.away = False


async def test_the_line_tells_passages_values_and_place(user: OpenWebUIClient) -> None:
    tools = ["server:mcp:files"]
    message = await chat(user, "scripted", f"When may {NAME} come?", tool_ids=tools)
    assert statuses(message)[-1] == "Sent 1 passage, 1 value protected, to Lyon"


async def test_the_line_is_german_where_the_interface_is(user: OpenWebUIClient) -> None:
    message = await chat(user, "scripted", f"NOTOOL {NAME}", language="de-DE")
    assert statuses(message)[-1] == "Gesendet: der Chat, 1 Wert geschützt, an Lyon"


async def test_the_line_says_when_it_is_not_known(user: OpenWebUIClient, away: None) -> None:
    message = await chat(user, "scripted", "NOTOOL hello")
    assert texts(message, "message").strip() == "Answered without a tool."
    assert statuses(message)[-1] == (
        "What left the site is not known: the adapter cannot be asked (HTTP 503)"
    )


async def test_a_person_can_switch_the_line_off_and_keep_the_other(user: OpenWebUIClient) -> None:
    path = "/api/v1/functions/id/hoheit_filter/valves/user/update"
    await user.post(path, {"show_sent": False})
    try:
        message = await chat(user, "scripted", "NOTOOL hello")
        assert statuses(message)[-1].endswith("written")
    finally:
        await user.post(path, {"show_sent": True})


async def test_the_adapter_is_told_which_message_a_request_is_for(
    site: Site, user: OpenWebUIClient
) -> None:
    site.upstream.seen.clear()
    message = await chat(user, "scripted", "When is it open?", tool_ids=["server:mcp:files"])
    told = [seen.headers["X-Hoheit-Message-Id"] for seen in site.upstream.seen]
    assert told == [message["id"]] * 2


# The switch


async def test_a_chat_that_stays_on_site_is_said_so_to_the_adapter_before_its_text(
    site: Site, user: OpenWebUIClient
) -> None:
    site.upstream.order.clear()
    message = await chat(user, "scripted", "NOTOOL hello", filter_ids=SWITCH)
    assert site.upstream.order == ["switch on", "chat"]
    assert message["chat_id"] in site.upstream.kept
    assert statuses(message)[-1] == "Answered on site: this chat stays on site"


async def test_without_the_adapter_a_chat_that_is_to_stay_on_site_sends_nothing(
    site: Site, user: OpenWebUIClient, away: None
) -> None:
    site.upstream.order.clear()
    message = await chat(user, "scripted", "NOTOOL hello", filter_ids=SWITCH)
    assert "Nothing was sent" in str(message["error"])
    assert "HTTP 503" in str(message["error"])
    message = await chat(user, "scripted", "hallo", filter_ids=SWITCH, language="de")
    assert "Nichts wurde gesendet" in str(message["error"])
    assert site.upstream.order == []


async def test_without_an_id_of_a_chat_nothing_can_stay_on_site(
    site: Site, user: OpenWebUIClient
) -> None:
    site.upstream.order.clear()
    body = {
        "model": "scripted",
        "messages": [{"role": "user", "content": "hello"}],
        "filter_ids": SWITCH,
    }
    with pytest.raises(RefusedError) as refused:
        await user.post("/api/chat/completions", body)
    assert "Nothing was sent" in refused.value.message
    assert site.upstream.order == []


async def test_a_temporary_chat_stays_on_site_too(site: Site, user: OpenWebUIClient) -> None:
    for prefix in ("local:", "temporary:"):
        chat_id = prefix + str(uuid.uuid4())
        site.upstream.order.clear()
        await start_chat(user, "scripted", "NOTOOL hello", chat_id=chat_id, filter_ids=SWITCH)
        await until(lambda: "chat" in site.upstream.order)
        assert site.upstream.order == ["switch on", "chat"]
        assert chat_id in site.upstream.kept


async def test_switched_off_where_nobody_can_be_asked_the_chat_stays_on_site(
    site: Site, user: OpenWebUIClient
) -> None:
    first = await chat(user, "scripted", "NOTOOL hello", filter_ids=SWITCH)
    site.upstream.order.clear()
    message = await chat(user, "scripted", "NOTOOL more", after=first)
    assert site.upstream.order == ["chat"]
    assert statuses(message)[-1] == "Answered on site: this chat stays on site"


async def test_a_chat_that_was_never_on_site_is_left_alone(
    site: Site, user: OpenWebUIClient
) -> None:
    site.upstream.order.clear()
    await chat(user, "scripted", "NOTOOL hello")
    assert site.upstream.order == ["chat"]


async def test_a_new_chats_title_does_not_wait_for_the_switch_so_the_adapter_has_to(
    site: Site, user: OpenWebUIClient
) -> None:
    """Open WebUI asks for the title before any filter runs; both carry the chat's id from the start."""
    site.upstream.order.clear()
    site.upstream.seen.clear()
    message = await chat(
        user, "scripted", "NOTOOL hello", filter_ids=SWITCH, tasks={"title_generation": True}
    )
    await until(lambda: "title_generation" in site.upstream.order)
    assert sorted(site.upstream.order) == ["chat", "switch on", "title_generation"]
    assert site.upstream.order.index("switch on") < site.upstream.order.index("chat")
    chats = {seen.headers["X-Hoheit-Chat-Id"] for seen in site.upstream.seen}
    assert chats == {message["chat_id"]}


async def until(condition: Any) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


# What an admin decides about it


async def test_a_switch_that_an_admin_took_from_a_model_stays_away(
    site: Site, admin: OpenWebUIClient, user: OpenWebUIClient
) -> None:
    entry = (await admin.model_entries())["scripted"]
    assert entry["meta"]["filterIds"] == SWITCH
    await admin.update_model({**entry, "meta": {**entry["meta"], "filterIds": []}})
    try:
        result = await provision(admin, site.plan(), lambda line: None)
        assert not result.changed
        assert (await admin.model_entries())["scripted"]["meta"]["filterIds"] == []
    finally:
        await admin.update_model(entry)


@pytest.mark.parametrize("function_id", ["hoheit_sent", "hoheit_on_site"])
async def test_a_function_that_an_admin_switched_off_stays_off(
    site: Site, admin: OpenWebUIClient, user: OpenWebUIClient, function_id: str
) -> None:
    await admin.toggle_function(function_id)
    try:
        result = await provision(admin, site.plan(), lambda line: None)
        assert not result.changed
        held = await admin.function(function_id)
        assert held is not None
        assert not held["is_active"]
    finally:
        await admin.toggle_function(function_id)


async def test_the_switch_is_offered_on_the_adapters_models_only(
    admin: OpenWebUIClient, user: OpenWebUIClient
) -> None:
    function = await admin.function("hoheit_on_site")
    assert function is not None
    assert (function["is_active"], function["is_global"]) == (True, False)
    [model] = await user.models()
    assert [entry["id"] for entry in model["filters"]] == SWITCH
    assert [entry["id"] for entry in model["actions"]] == ["hoheit_sent"]


async def test_a_function_imported_by_hand_and_never_provisioned_is_switched_on(
    site: Site, admin: OpenWebUIClient, user: OpenWebUIClient
) -> None:
    await admin.toggle_function("hoheit_on_site")
    await admin.set_valves("hoheit_on_site", {})
    result = await provision(admin, site.plan(), lambda line: None)
    [step] = [step for step in result.steps if step.name == "function hoheit_on_site"]
    assert step.detail == "switched on, pointed at the adapter"


# The button


async def test_the_button_of_somebody_elses_answer_does_nothing(
    user: OpenWebUIClient, admin: OpenWebUIClient
) -> None:
    message = await chat(user, "scripted", "NOTOOL hello")
    body = {
        "model": "scripted",
        "chat_id": message["chat_id"],
        "id": message["id"],
        "session_id": "none",
    }
    assert await user.post("/api/chat/actions/hoheit_sent", body) is None
    with pytest.raises(RefusedError):
        await admin.post("/api/chat/actions/hoheit_sent", body)


async def test_what_the_button_shows_is_not_stored_with_the_chat(user: OpenWebUIClient) -> None:
    message = await chat(user, "scripted", f"NOTOOL {NAME}")
    body = {
        "model": "scripted",
        "chat_id": message["chat_id"],
        "id": message["id"],
        "session_id": "none",
    }
    await user.post("/api/chat/actions/hoheit_sent", body)
    assert await saved(user, message["chat_id"], message["id"]) == {
        key: value for key, value in message.items() if key != "chat_id"
    }

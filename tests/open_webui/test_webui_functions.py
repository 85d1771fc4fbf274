"""The functions of webui_pipelines inside a real Open WebUI."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from hoheit.open_webui.client import OpenWebUIClient
from hoheit.provision import ProvisionResult, provision
from tests.open_webui import chat_driver
from tests.open_webui.chat_driver import calls, chat, results, statuses, texts
from tests.open_webui.conftest import Site
from tests.open_webui.scripted_upstream import NOTE, SECOND_THOUGHT, THOUGHT, TITLE
from tests.open_webui.site_tools import FACT
from webui_pipelines.bundle import JSON_NAME, bundle

pytestmark = pytest.mark.xdist_group("open_webui")

SITE_TOOLS = ["server:mcp:files", "server:mcp:databases"]
PIPE_MODEL = "hoheit_pipe.scripted"


@pytest.fixture
async def pipe(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult
) -> AsyncIterator[None]:
    """The pipe switched on, as `hoheit provision --pipe` does it."""
    result = await provision(admin, site.plan(pipe=True), lambda line: None)
    assert not result.failed, result.failed
    yield
    await admin.toggle_function("hoheit_pipe")


async def remove(admin: OpenWebUIClient, function_id: str) -> None:
    await admin.delete(f"/api/v1/functions/id/{function_id}/delete")


@pytest.mark.parametrize("function_id", [f.id for f in bundle().functions])
async def test_a_function_imports_by_the_link_on_the_install_page(
    site: Site, admin: OpenWebUIClient, first_run: ProvisionResult, function_id: str
) -> None:
    async with (
        aiohttp.ClientSession() as browser,
        browser.get(f"{site.adapter.address}/install") as response,
    ):
        links = re.findall(r'href="([^"]+)"', await response.text())
    link = next(link for link in links if function_id in link)
    # What the dialog "Import from URL" does, and then its Save button.
    loaded = await admin.post("/api/v1/functions/load/url", {"url": link})
    assert loaded["name"] == function_id
    form = {**bundle().function(function_id).form, "id": "by_link", "content": loaded["content"]}
    await admin.create_function(form)
    try:
        held = await admin.function("by_link")
        assert held is not None
        assert held["content"] == bundle().function(function_id).source
        assert held["meta"]["manifest"] == bundle().function(function_id).manifest
    finally:
        await remove(admin, "by_link")


async def test_the_json_file_imports_as_it_is(
    admin: OpenWebUIClient, first_run: ProvisionResult
) -> None:
    # "Import JSON" posts each object of the list to /create.
    for entry in json.loads(bundle().files[JSON_NAME].text):
        await admin.create_function({**entry, "id": f"json_{entry['id']}"})
        try:
            held = await admin.function(f"json_{entry['id']}")
            assert held is not None
            kinds = {"hoheit_pipe": "pipe", "hoheit_sent": "action"}
            assert held["type"] == kinds.get(entry["id"], "filter")
            assert not held["is_active"]
        finally:
            await remove(admin, f"json_{entry['id']}")


async def test_a_chat_over_the_connection_thinks_calls_the_tool_and_answers(
    site: Site, user: OpenWebUIClient
) -> None:
    site.upstream.seen.clear()
    site.files.callers.clear()
    message = await chat(user, "scripted", "When is it open?", tool_ids=SITE_TOOLS)
    assert THOUGHT in texts(message, "reasoning")
    assert calls(message) == ["files_search"]
    assert FACT in results(message)
    assert FACT in texts(message, "message")
    first, second = site.upstream.seen
    # Built-in tools would hand the person's other chats and documents to the model.
    assert sorted(first.tools) == [
        "databases_list",
        "databases_search",
        "files_list",
        "files_search",
    ]
    assert first.headers["X-Hoheit-Chat-Id"] == message["chat_id"]
    assert first.headers["X-Hoheit-User-Id"]
    assert not first.task
    # The reasoning comes back in the tool loop: that is what provider llama.cpp is for.
    assert any(THOUGHT in m.get("reasoning_content", "") for m in second.body["messages"])
    caller = site.files.callers[-1]
    assert caller["x-hoheit-chat-id"] == message["chat_id"]
    assert caller["x-hoheit-user-email"] == site.settings.user_email


async def test_the_filter_shows_tools_before_and_calls_and_tokens_after(
    user: OpenWebUIClient,
) -> None:
    message = await chat(user, "scripted", "When is it open?", tool_ids=SITE_TOOLS)
    assert statuses(message) == [
        "scripted · on-site tools: files, databases",
        "Called files_search · 222 tokens read, 44 written",
        "Sent 1 passage, no values protected, to Lyon",
    ]


async def test_the_filter_says_when_no_on_site_tool_is_in_force(user: OpenWebUIClient) -> None:
    message = await chat(user, "scripted", "NOTOOL hello", tool_ids=[])
    assert statuses(message)[0] == "scripted · no on-site tools"


async def test_a_person_can_switch_the_status_line_off(user: OpenWebUIClient) -> None:
    path = "/api/v1/functions/id/hoheit_filter/valves/user/update"
    await user.post(path, {"show_status": False, "show_sent": False})
    try:
        message = await chat(user, "scripted", "NOTOOL hello")
        assert statuses(message) == []
        assert texts(message, "message").strip() == "Answered without a tool."
    finally:
        await user.post(path, {"show_status": True, "show_sent": True})


async def test_a_plain_api_call_passes_the_filter(site: Site, user: OpenWebUIClient) -> None:
    body = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}
    answer = await user.post("/api/chat/completions", body)
    assert TITLE in answer["choices"][0]["message"]["content"]
    url = f"{user.address}/api/chat/completions"
    headers = {"Authorization": f"Bearer {user.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json={**body, "stream": True}) as response,
    ):
        text = await response.text()
    assert "tool" in text
    assert text.rstrip().endswith("[DONE]")


async def test_an_upstreams_events_do_not_reach_the_page(user: OpenWebUIClient) -> None:
    message = await chat(user, "scripted", "EVENT NOTOOL hello")
    assert texts(message, "message").startswith("Harmless. Answered")
    assert not any("from the upstream" in line for line in statuses(message))
    assert NOTE in statuses(message)
    assert not message.get("selectedModelId")


async def test_task_calls_pass_the_filter_unchanged(site: Site, user: OpenWebUIClient) -> None:
    site.upstream.seen.clear()
    message = await chat(user, "scripted", "NOTOOL hello", tasks={"title_generation": True})
    await until_titled(user, message["chat_id"])
    tasks = [seen for seen in site.upstream.seen if seen.task]
    assert [seen.task for seen in tasks] == ["title_generation"]
    assert tasks[0].headers["X-Hoheit-Chat-Id"] == message["chat_id"]
    assert not tasks[0].tools


async def until_titled(user: OpenWebUIClient, chat_id: str) -> None:
    deadline = time.monotonic() + 15
    title: Any = None
    while time.monotonic() < deadline:
        title = (await user.get(f"/api/v1/chats/{chat_id}"))["title"]
        if title == TITLE:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"the title stays {title!r}")


async def test_a_chat_through_the_pipe_thinks_calls_the_tool_and_answers(
    site: Site, user: OpenWebUIClient, pipe: None
) -> None:
    site.upstream.seen.clear()
    models = {model["id"]: model["name"] for model in await user.models()}
    assert models[PIPE_MODEL] == "Hoheit: scripted"
    message = await chat(user, PIPE_MODEL, "When is it open?", tool_ids=SITE_TOOLS)
    assert THOUGHT in texts(message, "reasoning")
    assert SECOND_THOUGHT in texts(message, "reasoning")
    assert calls(message) == ["files_search"]
    assert FACT in texts(message, "message")
    assert message["usage"]["output_tokens"] == 44
    assert not message.get("error")
    assert statuses(message)[-2].startswith("Called files_search")
    assert statuses(message)[-1] == "Sent 1 passage, no values protected, to Lyon"
    first = site.upstream.seen[0]
    assert first.body["model"] == "scripted"
    assert first.headers["X-Hoheit-Chat-Id"] == message["chat_id"]
    assert first.headers["X-Hoheit-Message-Id"] == message["id"]
    # The same person as in a chat over the connection, by the adapter's own reading.
    assert any(
        chat == message["chat_id"]
        for chat, _ in site.upstream.receipts[first.headers["X-Hoheit-User-Id"]]
    )
    assert not first.task


async def test_the_pipe_answers_task_calls_and_says_that_they_are(
    site: Site, user: OpenWebUIClient, pipe: None
) -> None:
    site.upstream.seen.clear()
    message = await chat(user, PIPE_MODEL, "NOTOOL hello", tasks={"title_generation": True})
    await until_titled(user, message["chat_id"])
    assert [seen.task for seen in site.upstream.seen if seen.task] == ["title_generation"]


async def test_the_pipe_drops_an_upstreams_events(user: OpenWebUIClient, pipe: None) -> None:
    message = await chat(user, PIPE_MODEL, "EVENT NOTOOL hello")
    assert texts(message, "message").startswith("Harmless. Answered")
    assert not any("from the upstream" in line for line in statuses(message))
    assert NOTE in statuses(message)
    assert not message.get("selectedModelId")


async def test_the_pipe_shows_the_adapters_reason_for_a_refusal(
    user: OpenWebUIClient, pipe: None
) -> None:
    message = await chat(user, PIPE_MODEL, "FAIL")
    assert "the script refuses" in json.dumps(message["error"])


async def test_the_pipe_keeps_the_text_of_an_answer_that_broke_off(
    user: OpenWebUIClient, pipe: None
) -> None:
    message = await chat(user, PIPE_MODEL, "BREAK NOTOOL")
    assert texts(message, "message").startswith("Answered without")
    assert "stays valid" in json.dumps(message["error"])


async def test_stopping_a_chat_through_the_pipe_stops_the_upstream(
    site: Site, user: OpenWebUIClient, pipe: None
) -> None:
    site.upstream.left.clear()
    site.upstream.seen.clear()
    chat_id, _ = await chat_driver.start_chat(user, PIPE_MODEL, "ENDLESS NOTOOL")
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and not site.upstream.seen:
        await asyncio.sleep(0.1)
    assert site.upstream.seen
    assert not site.upstream.left.is_set()
    # What the stop button does.
    await user.post(f"/api/tasks/chat/{chat_id}/stop", {})
    assert await asyncio.to_thread(site.upstream.left.wait, 15)


async def test_without_the_pipe_each_model_is_offered_once(
    user: OpenWebUIClient, admin: OpenWebUIClient
) -> None:
    function = await admin.function("hoheit_pipe")
    assert function is not None
    assert not function["is_active"]
    assert [model["id"] for model in await user.models()] == ["scripted"]

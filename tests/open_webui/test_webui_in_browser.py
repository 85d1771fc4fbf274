"""What the functions and the provisioning look like to a person, in headless Chromium."""

from collections.abc import AsyncIterator

import pytest

from hoheit.provision import ProvisionResult
from tests.browser.open_webui_page import OpenWebUIPage, open_webui_page
from tests.open_webui.conftest import Site
from tests.open_webui.scripted_upstream import SECOND_THOUGHT, THOUGHT
from tests.open_webui.site_tools import FACT

pytestmark = pytest.mark.xdist_group("open_webui")


@pytest.fixture
async def page(site: Site, first_run: ProvisionResult) -> AsyncIterator[OpenWebUIPage]:
    async with open_webui_page(site.settings.address) as page:
        await page.use_token(site.user_token)
        yield page


async def test_a_person_finds_model_and_tools_ready_and_reads_thought_call_and_answer(
    page: OpenWebUIPage,
) -> None:
    await page.new_chat()
    assert await page.models() == ["scripted"]
    await page.choose_model("scripted")
    assert await page.tools() == {"Documents": True, "Databases": True}
    await page.ask("When is the registry office open?")
    await page.wait_for_status("Sent 1 passage, no values protected, to Lyon")
    assert FACT in await page.answer()
    thoughts = await page.thoughts()
    assert [text for _, text in thoughts] == [THOUGHT, SECOND_THOUGHT]
    assert all(heading.startswith("Thought for") for heading, _ in thoughts)
    [(heading, result)] = await page.tool_results()
    assert "files_search" in heading
    assert FACT in result
    assert page.foreign_hosts == set()


async def test_a_person_can_switch_a_tool_server_off_for_a_chat(
    site: Site, page: OpenWebUIPage
) -> None:
    site.upstream.seen.clear()
    await page.new_chat(model="scripted")
    await page.set_tool("Documents", False)
    await page.ask("NOTOOL hello")
    await page.wait_for_status("Sent the chat")
    [chat] = [seen for seen in site.upstream.seen if not seen.task]
    assert chat.tools
    assert all(name.startswith("databases_") for name in chat.tools)


async def test_a_script_in_an_upstreams_stream_does_not_run_in_the_page(
    page: OpenWebUIPage,
) -> None:
    await page.new_chat(model="scripted")
    await page.ask("EVENT NOTOOL hello")
    assert "Harmless. Answered" in await page.answer()
    assert "script ran" not in await page.page.title()

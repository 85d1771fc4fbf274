"""What a person sees of the egress boundary and does about it, in headless Chromium."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import expect

from hoheit.provision import ProvisionResult
from tests.browser.open_webui_page import OpenWebUIPage, open_webui_page
from tests.conftest import REPOSITORY
from tests.open_webui.conftest import Site
from tests.open_webui.scripted_adapter import NAME, PSEUDONYM

pytestmark = pytest.mark.xdist_group("open_webui")

SHOTS = REPOSITORY / "test-results"


@pytest.fixture
async def page(site: Site, first_run: ProvisionResult) -> AsyncIterator[OpenWebUIPage]:
    async with a_page(site) as page:
        await page.use_token(site.user_token)
        yield page


def a_page(site: Site, locale: str = "en-US") -> AbstractAsyncContextManager[OpenWebUIPage]:
    return open_webui_page(site.settings.address, locale=locale, height=1200)


async def test_a_person_reads_what_left_and_looks_at_it(page: OpenWebUIPage) -> None:
    await page.new_chat(model="scripted")
    await page.ask(f"When may {NAME} come?")
    await page.wait_for_status("Sent 1 passage, 1 value protected, to Lyon")
    shown = await page.press("What left the site")
    await expect(shown.locator("pre mark").first).to_have_text(PSEUDONYM)
    await expect(shown.locator("body")).to_contain_text("matches the text below")
    await expect(shown.locator("body")).to_contain_text("cluster in Lyon")
    assert NAME not in await shown.locator("body").inner_html()
    await shown.get_by_text("Exactly as it was sent").first.click()
    await expect(shown.locator("pre.exact mark").first).to_be_visible()
    # The frame has told how high it is: nothing in it is cut off.
    frame = page.page.locator("[role=listitem] iframe").last
    inner = await shown.locator("html").evaluate("node => node.offsetHeight")
    await expect(frame).to_have_css("height", f"{inner}px")
    await page.screenshot(SHOTS / "egress-sent.png")
    assert page.foreign_hosts == set()


async def test_the_same_in_german_and_dark(site: Site, first_run: ProvisionResult) -> None:
    async with a_page(site, "de-DE") as page:
        await page.use_token(site.user_token)
        await page.page.add_init_script("localStorage.theme = 'dark'")
        await page.new_chat(model="scripted")
        await page.ask(f"NOTOOL Wann darf {NAME} kommen?")
        await page.wait_for_status("Gesendet: der Chat, 1 Wert geschützt, an Lyon")
        shown = await page.press("Was das Haus verließ")
        await expect(shown.locator("h1")).to_have_text("Was für diese Antwort das Haus verließ")
        await expect(shown.locator("html")).to_have_class("dark")
        await page.screenshot(SHOTS / "egress-sent-german-dark.png")


async def test_a_person_keeps_a_chat_on_site_and_is_asked_before_it_leaves(
    site: Site, page: OpenWebUIPage
) -> None:
    await page.new_chat(model="scripted")
    assert await page.switches() == {"Stays on site · Bleibt im Haus": False}
    await page.set_switch("Stays on site", True)
    await page.screenshot(SHOTS / "egress-switch.png")
    site.upstream.order.clear()
    await page.ask("NOTOOL hello")
    await page.wait_for_status("Answered on site: this chat stays on site")
    assert [what for what in site.upstream.order if what != "title_generation"] == [
        "switch on",
        "chat",
    ]
    shown = await page.press("What left the site")
    await expect(shown.locator("body")).to_contain_text("Nothing left the site for this answer.")

    await page.set_switch("Stays on site", False)
    site.upstream.order.clear()
    await page.send("NOTOOL once more")
    await page.confirm("has stayed on site so far", yes=False)
    await page.wait_until_done()
    await page.wait_for_status("Answered on site: this chat stays on site")
    assert site.upstream.order == ["chat"]

    site.upstream.order.clear()
    await page.send("NOTOOL and out")
    await page.page.get_by_role("dialog").wait_for()
    await page.screenshot(SHOTS / "egress-asked.png")
    await page.confirm("has stayed on site so far", yes=True)
    await page.wait_until_done()
    await page.wait_for_status("Sent the chat, no values protected, to Lyon")
    assert site.upstream.order == ["switch off", "chat"]


async def test_the_adapter_away_a_person_reads_that_nothing_was_sent(
    site: Site, page: OpenWebUIPage
) -> None:
    await page.new_chat(model="scripted")
    await page.set_switch("Stays on site", True)
    site.upstream.order.clear()
    site.upstream.away = True
    try:
        await page.ask("NOTOOL hello")
        last = page.page.locator("[role=listitem]").last
        await expect(last).to_contain_text("Nothing was sent")
        await page.screenshot(SHOTS / "egress-fails-closed.png")
    finally:
        site.upstream.away = False
    assert "chat" not in site.upstream.order

"""What a person sees of the egress boundary in a whole site: the real adapter decides, notes down and is asked."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.open_webui_page import open_webui_page
from tests.conftest import REPOSITORY, House, running_house, wait_until
from tests.open_webui.background import running
from tests.open_webui.scripted_upstream import ScriptedUpstream

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("browser")]

SHOTS = REPOSITORY / "test-results"
USER = "user@hoheit.example"
NAME = "Jörg Weißmüller"


@pytest.fixture(scope="module")
def far() -> Iterator[ScriptedUpstream]:
    """A model of somebody else's, which keeps what reaches it."""
    upstream = ScriptedUpstream("key-of-the-script", models=("scripted-120b",))
    with running(upstream):
        yield upstream


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, far: ScriptedUpstream) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("egress")
    names = folder / "names.txt"
    names.write_text(f"{NAME}\n", encoding="utf-8")
    upstream = {
        "name": "far",
        "base_url": far.base_url,
        "api_key": far.key,
        "site": "Lyon",
        "trust": "partner",
    }
    with running_house(
        folder / "home",
        HOHEIT_ADAPTER__UPSTREAMS=json.dumps([upstream]),
        HOHEIT_ADAPTER__EGRESS__DICTIONARIES=json.dumps([{"path": str(names), "kind": "person"}]),
    ) as house:
        yield house


def titles_of(site: House, after: int = 0) -> list[str]:
    """The upstreams that were asked for titles, by the adapter's log, without the first so many."""
    lines = (site.home / "logs" / "adapter.log").read_text().splitlines()
    entries = [json.loads(line[line.index("{") :]) for line in lines if '"task":"title' in line]
    return [entry["upstream"] for entry in entries][after:]


async def test_a_person_reads_what_left_and_sees_it_with_its_pseudonyms_marked(
    site: House, far: ScriptedUpstream
) -> None:
    far.seen.clear()
    async with open_webui_page(site.address("open_webui"), height=1300) as page:
        await page.sign_in(USER, site.secret("user-password"))
        await page.choose_model("scripted-120b")
        await page.ask(f"NOTOOL When may {NAME} come?")
        await page.wait_for_status("^Sent the chat, 1 value protected, to Lyon$")
        shown = await page.press("What left the site")
        mark = shown.locator("pre mark").first
        await expect(mark).to_be_visible()
        pseudonym = await mark.inner_text()
        await expect(shown.locator("body")).to_contain_text("matches the text below")
        await shown.get_by_text("Exactly as it was sent").first.click()
        exact = await shown.locator("pre.exact").first.inner_text()
        await page.screenshot(SHOTS / "egress-real.png")
        assert page.foreign_hosts == set()
    sent = [seen.body for seen in far.seen]
    assert json.loads(exact) in sent
    assert all(NAME not in json.dumps(body, ensure_ascii=False) for body in sent)
    assert any(pseudonym in json.dumps(body) for body in sent)


async def test_a_model_elsewhere_has_the_database_asked_about_somebody_whom_it_never_hears_of(
    site: House, far: ScriptedUpstream
) -> None:
    """The account is recognised in the question, the query gets it back, and what is found is labelled."""
    sql = (
        "SELECT first_name, last_name, born_on FROM citizens WHERE iban = 'DE54999904174172785347'"
    )
    far.seen.clear()
    async with open_webui_page(site.address("open_webui"), height=1300) as page:
        await page.sign_in(USER, site.secret("user-password"))
        await page.choose_model("scripted-120b")
        await page.ask(f"QUERY {sql}", seconds=120)
        answer = await page.answer()
        assert "Ackermann" in answer and "Zoe" in answer and "1939-10-04" in answer
        await page.wait_for_status("^Sent 1 passage, [0-9]+ values protected, to Lyon$")
        shown = await page.press("What left the site")
        await expect(shown.locator("pre mark").first).to_be_visible()
        await page.screenshot(SHOTS / "egress-database.png")
    sent = json.dumps([seen.body for seen in far.seen], ensure_ascii=False)
    assert "databases_query" in sent
    for value in ("Ackermann", "Zoe", "1939", "999904174172785347"):
        assert value not in sent


async def test_nothing_of_a_chat_that_stays_on_site_reaches_the_model_elsewhere_not_even_for_its_title(
    site: House, far: ScriptedUpstream
) -> None:
    async with open_webui_page(site.address("open_webui"), locale="de-DE", height=1300) as page:
        await page.sign_in(USER, site.secret("user-password"))
        await page.choose_model("scripted-120b")
        await page.set_switch("Bleibt im Haus", True)
        far.seen.clear()
        before = len(titles_of(site))
        await page.ask("Wann hat das Standesamt offen?", seconds=120)
        await page.wait_for_status("^Im Haus beantwortet: Dieser Chat bleibt im Haus$")
        titles = await asyncio.to_thread(wait_until, lambda: titles_of(site, before), "a title")
        assert titles == ["embedded"]
        assert far.seen == []
        shown = await page.press("Was das Haus verließ")
        await expect(shown.locator("body")).to_contain_text("nichts das Haus verlassen")
        await page.screenshot(SHOTS / "egress-real-on-site.png")

        await page.set_switch("Bleibt im Haus", False)
        await page.send("NOTOOL Und morgen?")
        await page.confirm("blieb bisher im Haus", yes=True)
        await page.wait_until_done()
        await page.wait_for_status("^Gesendet: ")
        assert [seen.body["messages"][-1]["content"] for seen in far.seen] == ["NOTOOL Und morgen?"]

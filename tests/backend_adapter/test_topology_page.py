"""The topology page as an operator sees it, in headless Chromium, in front of a real adapter."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from scripted import (
    KEY,
    Client,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    eventually,
)
from topology_tabs import ADMIN, CHAT, HOSTILE, TOWN, MakeSite, Site, tab

from backend_adapter.settings import AdmissionSettings, UpstreamSettings


@pytest.mark.parametrize(
    ("name", "width", "scheme", "locale"),
    [("wide", 1600, "light", "de-DE"), ("narrow", 360, "dark", "en-GB")],
)
async def test_an_operator_sees_where_everything_is_and_how_busy(
    make_site: MakeSite, client: Client, name: str, width: int, scheme: str, locale: str
) -> None:
    site = await make_site(*TOWN, admission=AdmissionSettings(max_concurrent=6))
    for each in site.upstreams.values():
        each.script = site.hang
    async with tab(site.adapter, width=width, scheme=scheme, locale=locale) as seen:
        page = seen.page
        await seen.enter()
        for upstream in site.upstreams:
            await expect(seen.card(upstream)).to_have_attribute("data-state", "ready")
        asked = [
            asyncio.create_task(
                client.post(site.adapter, CHAT, {**ask(f"question {number}"), "model": model})
            )
            for number, model in enumerate(["gpt-oss-120b"] * 9 + ["smollm2-135m"] * 2)
        ]
        model = page.locator("#models li").filter(has_text="gpt-oss-120b")
        await expect(model).to_contain_text(re.compile("6 .*, 3 "))
        await expect(seen.figure("embedded", "running")).to_have_text("2")
        north = seen.figure("north-1", "running").first
        await expect(north).to_have_text(str(len(site.upstreams["north-1"].turns)))
        boxes = page.locator(".site h2")
        assert await boxes.all_text_contents() == list(
            dict.fromkeys(place for _, place, _, _ in TOWN)
        )
        await expect(page.locator("#lines path")).to_have_count(5)
        widths = {
            await path.get_attribute("data-key"): float(
                await path.get_attribute("stroke-width") or 0
            )
            for path in await page.locator("#lines path").all()
        }
        assert (
            widths['["smollm2-135m","embedded"]'] > widths['["qwen3-235b-a22b-instruct","north-1"]']
        )
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        # A site goes away while people look.
        north_2 = site.upstreams["north-2"]
        north_2.script = north_2.probe_script = cut
        for turn in north_2.turns:
            turn.cut()
        await expect(seen.card("north-2")).to_have_attribute("data-state", "open")
        await expect(page.locator("#changes")).to_contain_text("north-2")
        await seen.picture(name)
        site.go_on.set()
        await asyncio.gather(*asked)
        await expect(seen.figure("embedded", "running")).to_have_text("0")
        assert seen.foreign == set()
        assert seen.complaints == []


async def test_only_the_right_key_opens_the_page_and_stays_in_its_tab(make_site: MakeSite) -> None:
    site = await make_site(*TOWN)
    async with tab(site.adapter) as seen:
        page = seen.page
        for wrong, fault in (
            (KEY, "The adapter does not accept this key."),
            ("wrong", "The adapter does not accept this key."),
            ("ключ", "A key has only printable ASCII characters, without spaces."),
        ):
            await seen.enter(wrong)
            await expect(page.locator("#login-fault")).to_have_text(fault)
            await expect(page.locator("#board")).to_be_hidden()
        assert await page.evaluate("Object.keys(sessionStorage)") == []
        await seen.enter()
        await expect(page.locator("#link")).to_have_text("live")
        await page.reload()
        await expect(page.locator("#link")).to_have_text("live")
        assert await page.evaluate("localStorage.length") == 0
        assert await page.evaluate("document.cookie") == ""
        assert ADMIN not in page.url
        await page.get_by_role("button", name="Forget key").click()
        await expect(page.locator("#login")).to_be_visible()
        assert await page.evaluate("sessionStorage.length") == 0


async def test_names_and_reasons_from_elsewhere_are_only_text(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
) -> None:
    upstream.refuse(500, "{}")
    models = (HOSTILE, "__proto__", "1")
    named = UpstreamSettings(name="a", base_url=upstream.base_url, site=HOSTILE[:64], models=models)
    adapter = start_adapter(admin_key=ADMIN, upstreams=(named,))
    async with tab(adapter) as seen:
        await seen.enter()
        await expect(seen.page.locator(".site h2")).to_have_text(HOSTILE[:64])
        hostile = seen.card("a").locator(".model").filter(has_text="<script>")
        await expect(hostile).to_have_text(HOSTILE)
        await expect(seen.card("a").locator(".replica")).to_have_count(3)
        for _ in range(4):
            await client.post(adapter, CHAT, {**ask(), "model": HOSTILE})
        await expect(seen.page.locator("#changes")).to_contain_text(HOSTILE)
        assert await seen.page.evaluate("window.hacked") is None
        assert await seen.page.locator("main img, main script").count() == 0
        assert seen.complaints == []


async def test_an_upstream_is_drained_resumed_and_removed_after_a_question(
    make_site: MakeSite, client: Client
) -> None:
    site = await make_site(*TOWN[1:3])
    async with tab(site.adapter) as seen:
        await seen.enter()
        card = seen.card("north-1")
        await card.get_by_role("button", name="Drain").click()
        # The answer that changes nothing is the one at hand; Escape means it as well.
        await expect(card.get_by_role("button", name="Cancel")).to_be_focused()
        await seen.page.keyboard.press("Escape")
        await expect(card.get_by_role("button", name="Drain")).to_be_focused()
        assert not (await topology(client, site))["north-1"]["draining"]
        await card.get_by_role("button", name="Drain").click()
        await card.get_by_role("button", name="Yes, drain").click()
        await expect(card.locator("header .word")).to_have_text("draining")
        assert (await topology(client, site))["north-1"]["draining"]
        await card.get_by_role("button", name="Resume").click()
        await expect(card.locator("header .word")).to_have_text("ready")
        assert not (await topology(client, site))["north-1"]["draining"]
        await card.get_by_role("button", name="Remove").click()
        await card.get_by_role("button", name="Yes, remove").click()
        await expect(card).to_have_count(0)
        assert list(await topology(client, site)) == ["north-2"]
        said = await seen.page.locator("#changes li span").all_text_contents()
        assert said[0] == "north-1 was removed."
        assert "north-1 gets no new requests." in said


async def test_an_upstream_is_added_and_a_refusal_is_told(
    make_site: MakeSite, client: Client
) -> None:
    site = await make_site(*TOWN[:2])
    scripted = ScriptedUpstream()
    runner = await scripted.serve()
    try:
        async with tab(site.adapter) as seen:
            page = seen.page
            await seen.enter()
            await page.get_by_role("button", name="Add upstream").click()
            await page.fill("#add-name", "embedded")
            await page.fill("#add-url", scripted.base_url)
            await page.click("#add-form button[type=submit]")
            await expect(page.locator("#add-fault")).to_contain_text("is already there")
            await page.fill("#add-name", "new")
            await page.fill("#add-site", "Bauhof")
            await page.fill("#add-key", "key-of-the-new-one")
            await page.fill("#add-models", "scripted, other ,")
            await seen.picture("add")
            await page.click("#add-form button[type=submit]")
            await expect(page.locator("#add")).to_be_hidden()
            await expect(seen.card("new")).to_contain_text("added until restart")
            await expect(page.locator(".site h2").last).to_have_text("Bauhof")
            await expect(seen.card("new").locator(".replica")).to_have_count(2)
            await eventually(lambda: bool(scripted.probes))
            asked = scripted.probes[0].request.headers["Authorization"]
            assert asked == "Bearer key-of-the-new-one"
            assert "key-of-the-new-one" not in await page.content()
    finally:
        await runner.cleanup()


async def test_a_failover_is_told_as_it_happens(make_site: MakeSite, client: Client) -> None:
    site = await make_site(*TOWN[2:], selection="round_robin")
    site.upstreams["north-2"].refuse(500, "{}")
    async with tab(site.adapter) as seen:
        await seen.enter()
        for name in site.upstreams:
            await expect(seen.card(name)).to_have_attribute("data-state", "ready")
        while not site.upstreams["north-2"].turns:
            reply = await client.post(site.adapter, CHAT, {**ask(), "model": "gpt-oss-120b"})
            assert reply.status == 200
        told = "Another upstream answered in place of north-2 (gpt-oss-120b)."
        await expect(seen.page.locator("#changes")).to_contain_text(told)
        await expect(seen.figure("north-2", "failovers")).to_have_text("1")


async def test_an_adapter_that_is_away_leaves_its_last_picture_and_says_so(
    make_site: MakeSite,
) -> None:
    site = await make_site(*TOWN[:2])
    async with tab(site.adapter) as seen:
        await seen.enter()
        await expect(seen.page.locator("#link")).to_have_text("live")
        await asyncio.to_thread(site.adapter.stop)
        away = seen.page.locator("#away")
        await expect(away).to_contain_text("The adapter does not answer. This is how it was at")
        await expect(seen.page.locator("#link")).to_have_text("adapter away")
        await expect(seen.card("embedded")).to_be_visible()
        await seen.picture("away")
        await seen.card("embedded").get_by_role("button", name="Drain").click()
        await seen.card("embedded").get_by_role("button", name="Yes, drain").click()
        await expect(seen.card("embedded").locator(".fault")).to_have_text("adapter away")


async def test_nobody_is_asked_while_nobody_looks(make_site: MakeSite) -> None:
    site = await make_site(*TOWN[:1])
    async with tab(site.adapter) as seen:
        page = seen.page
        await page.clock.install()
        looks: list[str] = []
        page.on("request", lambda each: looks.append(each.url))
        await seen.enter()
        await expect(page.locator("#link")).to_have_text("live")
        before = len(looks)
        async with page.expect_response(re.compile("/v1/topology$")):
            await page.clock.run_for(1000)
        await set_hidden(page, True)
        await expect(page.locator("#link")).to_have_text("paused")
        assert len(looks) >= before
        looks.clear()
        await page.clock.run_for(60_000)
        assert looks == []
        async with page.expect_response(re.compile("/v1/topology$")):
            await set_hidden(page, False)
        await expect(page.locator("#link")).to_have_text("live")


@pytest.mark.parametrize(
    ("locale", "lang", "title"),
    [("de-AT", "de", "Topologie"), ("en-US", "en", "Topology"), ("fr-FR", "en", "Topology")],
)
async def test_it_speaks_the_language_of_its_reader(
    make_site: MakeSite, locale: str, lang: str, title: str
) -> None:
    site = await make_site(*TOWN[:1])
    async with tab(site.adapter, locale=locale) as seen:
        await seen.page.goto(f"{seen.address}/topology")
        await expect(seen.page.locator("h1")).to_have_text(f"Hoheit {title}")
        assert await seen.page.locator("html").get_attribute("lang") == lang


async def topology(client: Client, site: Site) -> dict[str, Any]:
    reply = await client.get(site.adapter, "/v1/topology", ADMIN)
    return {each["name"]: each for each in reply.json["upstreams"]}


async def set_hidden(page: Page, hidden: bool) -> None:
    """Have the page believe that its tab is in the background, or in front again."""
    value = str(hidden).lower()
    await page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{configurable: true, get: () => {value}}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


async def cut(turn: Turn) -> None:
    turn.cut()


async def test_the_swarm_behind_an_upstream_is_shown_with_what_is_missing(
    make_site: MakeSite,
) -> None:
    site = await make_site(("campus", "Weststadt", "petals", ["big"]), catalogue_refresh_s=0.1)
    node = {"peer": "12D3KooWabcdefgh", "name": "<b>north</b>", "layers": [0, 2]}
    node |= {"state": "online", "round_trip_s": 0.05, "cache_tokens_left": 4096}
    told = {"layers": 4, "coverage": [1, 1, 0, 0], "missing": [[2, 4]], "spans": [node]}
    site.upstreams["campus"].swarm = told

    async with tab(site.adapter) as seen:
        await seen.enter()
        swarm = seen.card("campus").locator(".swarm")
        await expect(swarm.locator(".gap")).to_contain_text("layers 2–3")
        await expect(swarm.locator(".nodes li")).to_have_text(
            "northlayers 0 to 1, round trip 50 ms, room for 4,096 tokens"
        )
        await expect(swarm.locator('.layers i[data-nodes="0"]')).to_have_count(2)

        told |= {"coverage": [1, 1, 1, 1], "missing": []}
        await expect(swarm).to_contain_text("All 4 layers are served.")

        site.upstreams["campus"].swarm = None
        await expect(swarm).to_be_hidden()
        assert not seen.complaints

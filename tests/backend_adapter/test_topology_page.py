"""The topology page as an operator sees it, in headless Chromium, in front of a real adapter."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, async_playwright, expect
from scripted import (
    Client,
    RunningAdapter,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
)

from backend_adapter.settings import AdmissionSettings, UpstreamSettings

CHAT = "/v1/chat/completions"
ADMIN = "the-admin-key"
PICTURES = Path(__file__).resolve().parents[2] / "test-results"
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


@dataclass
class Site:
    """Scripted upstreams by name, an adapter in front of them, and what hangs until it is let go."""

    upstreams: dict[str, ScriptedUpstream]
    adapter: RunningAdapter
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def hang(self, turn: Turn) -> None:
        await turn.send(chunk({"content": "Moment"}))
        await self.go_on.wait()
        await turn.say("!")


MakeSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def make_site(start_adapter: StartAdapter) -> AsyncIterator[MakeSite]:
    """Start upstreams (name, place, engine, models) and an adapter in front of them."""
    async with AsyncExitStack() as stack:

        async def make(*wanted: tuple[str, str, str, list[str]], **settings: object) -> Site:
            upstreams, named = {}, []
            for name, place, engine, models in wanted:
                scripted = upstreams[name] = ScriptedUpstream()
                scripted.models = models
                runner = await scripted.serve()
                stack.push_async_callback(runner.cleanup)
                url = scripted.base_url
                named.append(UpstreamSettings(name=name, base_url=url, site=place, engine=engine))
            adapter = start_adapter(admin_key=ADMIN, upstreams=tuple(named), **settings)
            site = Site(upstreams, adapter)
            stack.callback(site.go_on.set)
            return site

        yield make


@dataclass
class Tab:
    """One tab of a browser, and what it asked other hosts for or complained about."""

    page: Page
    address: str
    foreign: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    async def enter(self, key: str = ADMIN) -> None:
        await self.page.goto(f"{self.address}/topology")
        await self.page.fill("#key", key)
        await self.page.click("#login button[type=submit]")

    def card(self, name: str):
        return self.page.locator(".card").filter(has=self.page.locator(f"h3:text-is('{name}')"))

    async def picture(self, name: str) -> None:
        PICTURES.mkdir(exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"topology-{name}.png", full_page=True)


@asynccontextmanager
async def tab(
    adapter: RunningAdapter,
    *,
    locale: str = "en-GB",
    width: int = 1600,
    height: int = 1000,
    scheme: str = "light",
) -> AsyncIterator[Tab]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "the browser tests need chromium on the PATH"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        context = await browser.new_context(
            locale=locale, viewport={"width": width, "height": height}, color_scheme=scheme
        )
        context.set_default_timeout(15_000)
        found = Tab(await context.new_page(), adapter.url)

        def note(request: Request) -> None:
            if not request.url.startswith((adapter.url, "data:")):
                found.foreign.add(request.url)

        found.page.on("request", note)
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on(
            "console",
            lambda message: (
                found.complaints.append(message.text) if "Security" in message.text else None
            ),
        )
        try:
            yield found
        finally:
            await browser.close()


TOWN = (
    ("embedded", "Rathaus Lindenau", "llama.cpp", ["smollm2-135m"]),
    ("north-1", "Rechenzentrum Nord", "vllm", ["gpt-oss-120b", "qwen3-235b-a22b-instruct"]),
    ("north-2", "Rechenzentrum Nord", "vllm", ["gpt-oss-120b"]),
    ("campus", "Universität Weststadt", "petals", ["gpt-oss-120b"]),
)


@pytest.mark.parametrize(
    ("name", "width", "scheme", "locale"),
    [("wide", 1600, "light", "de-DE"), ("narrow", 360, "dark", "en-GB")],
)
async def test_pictures(make_site: MakeSite, client: Client, name, width, scheme, locale) -> None:
    site = await make_site(*TOWN, admission=AdmissionSettings(max_concurrent=6))
    for each in site.upstreams.values():
        each.script = site.hang
    async with tab(site.adapter, width=width, scheme=scheme, locale=locale) as seen:
        await seen.enter()
        await expect(seen.page.locator(".card .health[data-state=ready]")).to_have_count(9, timeout=15000)
        asked = [
            asyncio.create_task(client.post(site.adapter, CHAT, {**ask(f"q {n}"), "model": model, "max_tokens": 300 * n}))
            for n, model in enumerate(["gpt-oss-120b"] * 9 + ["smollm2-135m"] * 2)
        ]
        await eventually(lambda: sum(len(each.turns) for each in site.upstreams.values()) == 8)
        async def cut(turn: Turn) -> None:
            turn.cut()
        site.upstreams["north-2"].probe_script = cut
        site.upstreams["north-2"].script = cut
        for turn in site.upstreams["north-2"].turns:
            turn.cut()
        await seen.card("campus").get_by_role("button").first.click()
        await seen.page.wait_for_timeout(3000)
        await seen.picture(name)
        site.go_on.set()
        await asyncio.gather(*asked)

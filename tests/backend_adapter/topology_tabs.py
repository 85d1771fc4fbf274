"""A site with an adapter, and tabs of a browser that look at its topology page."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Locator, Page, Request, async_playwright
from scripted import (
    RunningAdapter,
    ScriptedUpstream,
    Turn,
    chunk,
)

from backend_adapter.api import topology_page

CHAT = "/v1/chat/completions"
ADMIN = "the-admin-key"
PAGE = Path(topology_page.__file__).parent / "page"
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

    def figure(self, upstream: str, name: str) -> Locator:
        return self.card(upstream).locator(f".figures [data-key={name}] dd")

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


MakeSite = Callable[..., Awaitable[Site]]


TOWN = (
    ("embedded", "Rathaus Lindenau", "llama.cpp", ["smollm2-135m"]),
    ("north-1", "Rechenzentrum Nord", "vllm", ["gpt-oss-120b", "qwen3-235b-a22b-instruct"]),
    ("north-2", "Rechenzentrum Nord", "vllm", ["gpt-oss-120b"]),
    ("campus", "Universität Weststadt", "petals", ["gpt-oss-120b"]),
)

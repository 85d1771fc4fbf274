"""Open WebUI 0.12 as a person sees it in a browser: a page object over headless Chromium.

    async with open_webui_page("http://127.0.0.1:8080") as page:
        await page.sign_in("user@hoheit.example", password)
        await page.new_chat(model="smollm2-135m")
        await page.ask("When is the registry office open?")
        assert "Tuesdays" in await page.answer()

The selectors hold in any language of the interface, except where a method says otherwise.
"""

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from playwright.async_api import FrameLocator, Locator, Page, Request, async_playwright, expect

SECONDS = 20.0
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class OpenWebUIPage:
    """One tab. `foreign_hosts` are hosts other than Open WebUI's that the page asked for anything."""

    page: Page
    address: str
    foreign_hosts: set[str] = field(default_factory=set)

    # Getting in

    async def sign_in(self, email: str, password: str) -> None:
        """Fills in the login form and waits for the empty chat."""
        await self.page.goto(f"{self.address}/auth")
        await self.page.fill("#email", email)
        await self.page.fill("#password", password)
        await self.page.click("button[type=submit]")
        await self._chat_input().wait_for()

    async def use_token(self, token: str) -> None:
        """Continues a session that was opened over the API, instead of signing in."""
        await self.page.add_init_script(f"localStorage.token = {json.dumps(token)}")

    async def hide_changelog(self) -> None:
        """Switches "What's New" off, which covers the page at an admin's first login."""
        token = await self.page.evaluate("localStorage.token")
        response = await self.page.request.post(
            f"{self.address}/api/v1/users/user/settings/update",
            headers={"Authorization": f"Bearer {token}"},
            data={"ui": {"showChangelog": False}},
        )
        assert response.ok
        await self.page.goto(self.address)
        await self._chat_input().wait_for()

    # Before a message

    async def new_chat(self, model: str | None = None, tools: Iterable[str] | None = None) -> None:
        """An empty chat, by the address that people can bookmark.

        `tools` are ids such as `server:mcp:files`; without them the model's own selection holds.
        """
        query = [f"models={quote(model)}"] if model else []
        if tools is not None:
            query.append(f"tools={quote(','.join(tools))}")
        await self.page.goto(f"{self.address}/?{'&'.join(query)}")
        await self._chat_input().wait_for()
        if model:
            await expect(self._selected_model()).to_contain_text(model)

    async def models(self) -> list[str]:
        """The ids in the menu of models."""
        await self._selected_model().click()
        options = self.page.locator("[role=option][data-value]")
        await options.first.wait_for()
        ids = [await option.get_attribute("data-value") or "" for option in await options.all()]
        await self._close_menu(options)
        return ids

    async def choose_model(self, model: str) -> None:
        """Picks a model from the menu, as people do."""
        await self._selected_model().click()
        await self.page.click(f'[role=option][data-value="{model}"]')
        await expect(self._selected_model()).to_contain_text(model)

    async def tools(self) -> dict[str, bool]:
        """The tool servers by their displayed names, and whether each is on."""
        rows = await self._open_tools()
        found = {
            (await row.inner_text()).strip(): await row.get_attribute("aria-checked") == "true"
            for row in await rows.all()
        }
        await self._close_menu(rows)
        return found

    async def set_tool(self, name: str, on: bool) -> None:
        """Switches a tool server on or off for this chat, by its displayed name."""
        rows = await self._open_tools()
        row = rows.filter(has_text=name)
        if (await row.get_attribute("aria-checked") == "true") != on:
            await row.click()
        await expect(row).to_have_attribute("aria-checked", str(on).lower())
        await self._close_menu(rows)

    async def switches(self) -> dict[str, bool]:
        """The filters that can be switched in the menu at the message box, and whether each is on."""
        rows = await self._open_switches()
        found = {
            (await row.inner_text()).strip(): await row.get_attribute("aria-checked") == "true"
            for row in await rows.all()
        }
        await self._close_menu(rows)
        return found

    async def set_switch(self, name: str, on: bool) -> None:
        """Switches a filter on or off for this chat, by a part of its displayed name."""
        rows = await self._open_switches()
        row = rows.filter(has_text=name)
        if (await row.get_attribute("aria-checked") == "true") != on:
            await row.click()
        await expect(row).to_have_attribute("aria-checked", str(on).lower())
        await self._close_menu(rows)

    # A message and its answer

    async def send(self, text: str) -> None:
        """Types the text and presses the send button; does not wait for the answer."""
        before = await self._answers().count()
        await self._chat_input().click()
        await self.page.keyboard.insert_text(text)
        await self.page.click("#send-message-button")
        await expect(self._answers()).to_have_count(before + 1)

    async def wait_until_done(self, seconds: float = 60.0) -> None:
        """Waits until the last answer is complete or has failed."""
        last = self.page.locator("[role=listitem]").last
        await last.locator(".copy-response-button").wait_for(timeout=seconds * 1000)

    async def ask(self, text: str, seconds: float = 60.0) -> None:
        """Sends the text and waits for the whole answer."""
        await self.send(text)
        await self.wait_until_done(seconds)

    async def stop(self) -> None:
        """Presses the stop button until it is gone; needs the English interface.

        Open WebUI ignores it until it knows the number of the running task.
        """
        button = self.page.get_by_role("button", name="Stop", exact=True)
        await button.wait_for()
        while await button.is_visible():
            await button.click()
            await self.page.wait_for_timeout(200)

    async def answer(self) -> str:
        """Everything that the last answer shows now, collapsed parts as their headings."""
        return (await self._answers().last.inner_text()).strip()

    async def status(self) -> str:
        """The status line above the last answer, empty where there is none."""
        line = self.page.locator("[role=listitem]").last.locator("button[aria-expanded].w-full")
        return (await line.first.inner_text()).strip() if await line.count() else ""

    async def wait_for_status(self, pattern: str, seconds: float = 5.0) -> None:
        """Waits until the status line above the last answer matches the regular expression."""
        line = self.page.locator("[role=listitem]").last.locator("button[aria-expanded].w-full")
        await expect(line.first).to_have_text(re.compile(pattern), timeout=seconds * 1000)

    async def press(self, name: str) -> FrameLocator:
        """Presses a button under the last answer, by a part of its name; what it shows above the answer."""
        last = self.page.locator("[role=listitem]").last
        await last.get_by_role("button", name=name).click()
        await last.locator("iframe").wait_for()
        return last.frame_locator("iframe")

    async def confirm(self, text: str, yes: bool) -> None:
        """Answers the dialog that holds the text, by its right button (yes) or its left one."""
        dialog = self.page.get_by_role("dialog").filter(has_text=text)
        await dialog.wait_for()
        buttons = dialog.get_by_role("button")
        await (buttons.last if yes else buttons.first).click()
        await dialog.wait_for(state="hidden")

    # Its collapsed parts

    async def thoughts(self) -> list[tuple[str, str]]:
        """Opens every reasoning block of the last answer: heading ("Thought for …") and text."""
        await self._open_groups()
        found = []
        for heading in await self._answers().last.locator("button[aria-expanded]").all():
            if await heading.get_attribute("aria-expanded") == "false":
                await heading.click()
            text = heading.locator("xpath=..").locator("blockquote")
            await text.first.wait_for()
            found.append((await _text(heading), " ".join(await text.all_inner_texts())))
        return found

    async def tool_results(self) -> list[tuple[str, str]]:
        """Opens every tool call of the last answer: its heading and what the tool returned."""
        await self._open_groups()
        found = []
        for call in await self._answers().last.locator('[id$="-tool-call"]').all():
            output = call.locator("pre")
            heading = call.locator("[role=button]").first
            if not await output.count():
                await heading.click()
                await output.first.wait_for()
            found.append((await _text(heading), " ".join(await output.all_inner_texts())))
        return found

    async def screenshot(self, path: Path) -> None:
        """Saves what is visible now, with what is opened; folders are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=path, animations="disabled")

    # Where things are

    async def _open_groups(self) -> None:
        """Opens "Explored …", which holds neighbouring tool calls and reasoning."""
        groups = self._answers().last.locator(
            '[id*="-detail-group-"] [role=button][aria-expanded=false]'
        )
        while await groups.count():
            await groups.first.click()

    async def _open_tools(self) -> Locator:
        await self.page.click("#integration-menu-button")
        # The entry "Tools" is the one that counts them.
        entry = self.page.locator("[role=menuitem]").filter(has_text=re.compile(r"\d+\s*$"))
        await entry.first.click()
        rows = self.page.locator("[role=menuitemcheckbox]")
        await rows.first.wait_for()
        return rows

    async def _open_switches(self) -> Locator:
        await self.page.click("#integration-menu-button")
        rows = self.page.locator("[role=menuitemcheckbox]")
        await rows.first.wait_for()
        return rows

    async def _close_menu(self, entries: Locator) -> None:
        # Not with Escape: in the message field that also unselects every tool.
        await self.page.locator("#chat-container").click(position={"x": 5, "y": 5})
        await entries.first.wait_for(state="hidden")

    def _selected_model(self) -> Locator:
        return self.page.locator("#model-selector-model-button")

    def _chat_input(self) -> Locator:
        return self.page.locator("#chat-input")

    def _answers(self) -> Locator:
        return self.page.locator("#response-content-container")


async def _text(heading: Locator) -> str:
    return " ".join((await heading.inner_text()).split())


@asynccontextmanager
async def open_webui_page(
    address: str, *, locale: str = "en-US", width: int = 1280, height: int = 900
) -> AsyncIterator[OpenWebUIPage]:
    """A fresh browser with one tab; `locale` decides the language of the interface."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        raise RuntimeError("the browser tests need chromium on the PATH")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable, headless=True, args=_ARGUMENTS
        )
        try:
            context = await browser.new_context(
                locale=locale, viewport={"width": width, "height": height}
            )
            context.set_default_timeout(SECONDS * 1000)
            page = OpenWebUIPage(await context.new_page(), address.rstrip("/"))
            own = urlsplit(address).netloc

            def note(request: Request) -> None:
                parts = urlsplit(request.url)
                if parts.scheme not in ("data", "blob") and parts.netloc != own:
                    page.foreign_hosts.add(parts.netloc)

            page.page.on("request", note)
            yield page
        finally:
            await browser.close()

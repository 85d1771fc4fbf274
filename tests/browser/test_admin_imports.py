"""An admin without internet installs the bundle through Open WebUI's own pages, from the adapter's install page."""

import json
import urllib.request
from pathlib import Path

import pytest

from tests.browser.open_webui_page import OpenWebUIPage, open_webui_page
from tests.conftest import REPOSITORY, House

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("browser")]

SHOTS = REPOSITORY / "test-results"


async def as_admin(page: OpenWebUIPage, house: House) -> None:
    await page.sign_in("admin@hoheit.example", house.secret("admin-password"))
    await page.hide_changelog()


async def functions(page: OpenWebUIPage, method: str = "GET", path: str = "") -> object:
    token = await page.page.evaluate("localStorage.token")
    response = await page.page.request.fetch(
        f"{page.address}/api/v1/functions/{path}",
        method=method,
        headers={"Authorization": f"Bearer {token}"},
    )
    return await response.json()


async def installed(page: OpenWebUIPage) -> set[str]:
    found = await functions(page)
    assert isinstance(found, list)
    return {function["id"] for function in found}


async def open_import_menu(page: OpenWebUIPage) -> None:
    await page.page.goto(f"{page.address}/admin/functions")
    await page.page.click('button[aria-label="Open create menu"]')


async def test_import_by_link_and_by_json_as_the_install_page_says(
    house: House, tmp_path: Path
) -> None:
    install = house.address("adapter") + "/install"
    async with open_webui_page(house.address("open_webui")) as page:
        await as_admin(page, house)
        for function in await installed(page):
            await functions(page, "DELETE", f"id/{function}/delete")
        assert await installed(page) == set()

        await open_import_menu(page)
        await page.page.get_by_text("Import from URL").click()
        await page.page.fill("input[type=url]", f"{install}/hoheit_pipe.py")
        await page.page.get_by_role("button", name="Import", exact=True).click()
        await page.page.get_by_role("button", name="Save & Create").click()
        await page.page.get_by_role("button", name="Confirm").click()
        await page.page.wait_for_url("**/admin/functions")
        assert await installed(page) == {"hoheit_pipe"}

        await functions(page, "DELETE", "id/hoheit_pipe/delete")
        bundle = tmp_path / "functions.json"
        with urllib.request.urlopen(f"{install}/functions.json", timeout=10) as response:
            bundle.write_bytes(response.read())
        await open_import_menu(page)
        async with page.page.expect_file_chooser() as chooser:
            await page.page.get_by_text("Import JSON").click()
        await (await chooser.value).set_files(bundle)
        await page.page.get_by_role("button", name="Confirm").click()
        await page.page.get_by_text("Hoheit Status").first.wait_for()
        await page.screenshot(SHOTS / "admin-functions.png")
        assert await installed(page) == {entry["id"] for entry in json.loads(bundle.read_text())}


async def test_the_install_page_names_the_menu_entries_of_open_webui(house: House) -> None:
    with urllib.request.urlopen(house.address("adapter") + "/install", timeout=10) as response:
        text = response.read().decode()
    for locale, menu, entries in (
        ("en-US", "Open create menu", ("Import from URL", "Import JSON")),
        ("de-DE", 'Menü "Erstellen" öffnen', ("Von Link importieren", "JSON importieren")),
    ):
        async with open_webui_page(house.address("open_webui"), locale=locale) as page:
            await as_admin(page, house)
            await page.page.goto(f"{page.address}/admin/functions")
            await page.page.get_by_role("button", name=menu).click()
            for entry in entries:
                await page.page.get_by_text(entry).wait_for()
                assert entry in text

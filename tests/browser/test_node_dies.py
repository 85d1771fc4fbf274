"""What a person sees when the node that answers dies: the answer, and a line that says what happened."""

import asyncio
import json
import urllib.request
from typing import Any

import pytest

from tests.browser.open_webui_page import open_webui_page
from tests.conftest import REPOSITORY, House
from tests.llamacpp import LlamaServer

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("browser")]

SHOTS = REPOSITORY / "test-results"
USER = "user@hoheit.example"


def topology(house: House) -> list[dict[str, Any]]:
    request = urllib.request.Request(house.address("adapter") + "/v1/topology")
    request.add_header("Authorization", f"Bearer {house.secret('admin-key')}")
    with urllib.request.urlopen(request, timeout=10) as response:
        upstreams: list[dict[str, Any]] = json.load(response)["upstreams"]
    return upstreams


async def answering(house: House, names: set[str]) -> list[str]:
    """Which of these replicas are answering now."""
    upstreams = await asyncio.to_thread(topology, house)
    return [each["name"] for each in upstreams if each["name"] in names and each["running"]]


async def test_an_answer_goes_on_when_the_node_that_gives_it_is_killed(
    house: House, replicas: dict[str, LlamaServer]
) -> None:
    async with open_webui_page(house.address("open_webui")) as page:
        await page.sign_in(USER, house.secret("user-password"))
        await page.choose_model("town-model")
        await page.ask("Say hello.")
        async with asyncio.timeout(60):
            # The chat's title is made beside the first answer.
            while await answering(house, set(replicas)):
                await asyncio.sleep(0.05)
            await page.send("Tell me a long story about a town hall, in many sentences.")
            while not (busy := await answering(house, set(replicas))):
                await asyncio.sleep(0.01)
            while len(begun := await page.answer()) < 40:
                await asyncio.sleep(0.01)
        [killed] = busy
        replicas[killed].kill()
        await page.wait_for_status(f"{killed} broke off", 60)
        await page.wait_until_done(120)
        answer = await page.answer()
        await page.screenshot(SHOTS / "failover.png")
    assert answer.startswith(begun)
    assert len(answer) > len(begun)
    log = (house.home / "logs" / "adapter.log").read_text()
    [line] = [each for each in log.splitlines() if '"gone_on_from"' in each]
    assert f'"gone_on_from":["{killed}"]' in line
    assert '"error"' not in line
    replicas[killed].start()
    await replicas[killed].ready()

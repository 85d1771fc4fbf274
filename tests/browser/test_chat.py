"""What a person sees: the real Open WebUI in a browser, the real adapter, engine and tools behind it."""

import json

import pytest

from tests.browser.open_webui_page import open_webui_page
from tests.conftest import REPOSITORY, House
from tests.open_webui.scripted_upstream import THOUGHT, ScriptedUpstream

pytestmark = [pytest.mark.house, pytest.mark.xdist_group("browser")]

SHOTS = REPOSITORY / "test-results"
USER = "user@hoheit.example"


def calls_of(house: House, part: str) -> list[dict[str, object]]:
    """The audit lines that one of the MCP servers wrote about tool calls."""
    lines = (house.home / "logs" / f"{part}.log").read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [entry for entry in entries if entry.get("tool")]


async def test_the_embedded_model_calls_the_files_tool_on_site_and_names_the_fact(
    house: House,
) -> None:
    before = len(calls_of(house, "files"))
    async with open_webui_page(house.address("open_webui")) as page:
        await page.sign_in(USER, house.secret("user-password"))
        await page.choose_model("smollm2-135m")
        await page.ask("How much is the annual dog tax for the first dog?", seconds=120)
        await page.screenshot(SHOTS / "embedded-answer.png")
        answer = await page.answer()
        [(_, result)] = await page.tool_results()
        await page.screenshot(SHOTS / "embedded-tool-call.png")
    assert "96 euros" in answer
    assert "oeffentlich/en/dog-tax.md" in result
    assert [call["tool"] for call in calls_of(house, "files")[before:]] == ["search"]
    assert page.foreign_hosts == set()
    for log in (house.home / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert "dog tax" not in text, f"{log.name} holds what was asked"
        assert "96 euros" not in text, f"{log.name} holds what was answered"


async def test_thinking_a_tool_call_with_its_result_and_the_answer_are_shown(house: House) -> None:
    async with open_webui_page(house.address("open_webui"), height=1800) as page:
        await page.sign_in(USER, house.secret("user-password"))
        await page.choose_model("scripted-120b")
        await page.ask("When is the registry office open?")
        thoughts = await page.thoughts()
        [(call, result)] = await page.tool_results()
        await page.screenshot(SHOTS / "reasoning-tool-answer.png")
        answer = await page.answer()
    assert thoughts[0][0].startswith("Thought for")
    assert THOUGHT in thoughts[0][1]
    assert "files_search" in call
    assert "oeffentlich/" in result
    assert "The site says:" in answer


async def test_an_object_that_an_upstream_smuggles_in_never_runs_in_the_page(
    house: House, script: ScriptedUpstream
) -> None:
    async with open_webui_page(house.address("open_webui")) as page:
        await page.sign_in(USER, house.secret("user-password"))
        await page.choose_model("scripted-120b")
        await page.ask("EVENT NOTOOL please")
        assert "Harmless." in await page.answer()
        assert "script ran" not in await page.page.title()
        assert "from the upstream" not in await page.page.content()


async def test_a_normal_user_sees_both_models_and_both_tool_servers(house: House) -> None:
    async with open_webui_page(house.address("open_webui")) as page:
        await page.sign_in(USER, house.secret("user-password"))
        assert set(await page.models()) >= {"smollm2-135m", "scripted-120b"}
        await page.choose_model("smollm2-135m")
        assert list((await page.tools()).values()) == [True, True]


async def test_the_interface_in_german_answers_as_well(house: House) -> None:
    async with open_webui_page(house.address("open_webui"), locale="de-DE") as page:
        await page.sign_in(USER, house.secret("user-password"))
        await page.choose_model("scripted-120b")
        await page.ask("NOTOOL Guten Tag")
        assert "Answered without a tool." in await page.answer()

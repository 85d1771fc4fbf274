"""`hoheit up --engine vllm`: a question in Open WebUI, the tool on site, vLLM's answer; nothing left running."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import StartServers
from models import made
from saying import told_to_say
from server import EAGER, FORCED, VllmServer

from hoheit.open_webui.client import OpenWebUIClient
from tests.conftest import House, free_port, wait_until
from tests.open_webui.chat_driver import calls, chat, results, texts

MODEL = "smollm2-135m"
THOUGHT = "<|channel|>analysis<|message|>The user asks 2 + 2.<|end|>"
FINAL = "<|start|>assistant<|channel|>final<|message|>It is four.<|return|>"


@pytest.fixture(scope="module")
def thinker(start_servers: StartServers) -> VllmServer:
    """A second upstream of the site: a small model in the form of GPT-OSS, which thinks before it answers."""
    parsers = ("--reasoning-parser", "openai_gptoss")
    parsers += ("--enable-auto-tool-choice", "--tool-call-parser", "openai")
    given = VllmServer("gpt-oss", made("gpt-oss"), *EAGER, *FORCED, *parsers, log="thinker")
    return start_servers(given)[0]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, thinker: VllmServer) -> Iterator[House]:
    further = {"name": "far", "base_url": f"{thinker.url}/v1", "engine": "vllm"}
    variables = {
        "HOHEIT_ENGINE": "vllm",
        "HOHEIT_VLLM__PORT": str(free_port()),
        "HOHEIT_ADAPTER__UPSTREAMS": json.dumps([further]),
    }
    house = House(tmp_path_factory.mktemp("vllm") / "home", variables)
    house.start("--engine", "vllm")
    try:
        wait_until(lambda: "Ctrl-C stops everything" in house.output(), "the site is up", 280)
        yield house
    finally:
        house.stop()


def vllm_processes(house: House) -> dict[int, str]:
    """vLLM's processes of this house, which know where it keeps its caches."""
    mark = f"VLLM_CACHE_ROOT={house.home}".encode()
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if mark in (folder / "environ").read_bytes():
                    title = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = title.decode(errors="replace")
            except OSError:
                continue
    return found


async def test_a_chat_calls_the_tool_on_site_and_vllm_answers_from_it(house: House) -> None:
    async with OpenWebUIClient(house.address("open_webui")) as user:
        await user.sign_in("user@hoheit.example", house.secret("user-password"))
        question = "How much is the annual dog tax for the first dog?"
        answer = await chat(user, MODEL, question, tool_ids=["server:mcp:files"])

    assert calls(answer) == ["files_search"]
    assert "oeffentlich/en/dog-tax.md" in results(answer)
    assert "96 euros" in texts(answer, "message")


async def test_thinking_is_shown_as_such_in_open_webui(house: House, thinker: VllmServer) -> None:
    said = told_to_say(thinker, THOUGHT + FINAL)
    async with OpenWebUIClient(house.address("open_webui")) as user:
        await user.sign_in("user@hoheit.example", house.secret("user-password"))
        answer = await chat(user, thinker.name, "2 + 2?", params=said)

    assert texts(answer, "reasoning").strip() == "The user asks 2 + 2."
    assert texts(answer, "message").strip() == "It is four."


def test_check_finds_nothing_wrong_with_the_server_of_the_settings(house: House) -> None:
    run = house.run("vllm", "check", "--json")

    findings = json.loads(run.stdout)["checks"]
    assert run.returncode == 0, run.stdout
    assert {each["subject"] for each in findings} == {"vllm", "far"}
    assert {each["verdict"] for each in findings} == {"ok"}, findings


def test_the_api_wants_the_sites_key(house: House) -> None:
    models = f"http://127.0.0.1:{house.variables['HOHEIT_VLLM__PORT']}/v1/models"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(models, timeout=10)
    for process, _ in vllm_processes(house).items():
        arguments = Path(f"/proc/{process}/cmdline").read_bytes().decode()
        assert house.secret("vllm-key") not in arguments


def test_a_killed_server_leaves_no_process_and_the_status_says_that_it_died(house: House) -> None:
    state = json.loads((house.home / "run" / "state.json").read_text())
    (server,) = [part["process"]["pid"] for part in state["parts"] if part["name"] == "vllm"]
    assert len(vllm_processes(house)) > 1
    os.kill(server, signal.SIGKILL)

    wait_until(lambda: not vllm_processes(house), "vLLM's other processes end")
    assert house.parts()["vllm"]["state"] == "failed"

"""SmolLM2 in vLLM and in a real swarm: each goes on with what the other one began."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from conftest import StartAdapter, StartServers
from cutting import go_on_with_each_other
from models import smollm2
from scripted import Client
from server import EAGER, VllmServer, on_core

from backend_adapter.settings import UpstreamSettings
from tests.conftest import House, free_port, free_ports, wait_until

MODEL = "smollm2-135m"
QUESTIONS = (
    "Name three colours.",
    "Write one sentence about the sea.",
    "What is the largest planet?",
)
ANSWER_TOKENS = 40


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpstreamSettings]:
    """The gateway of a swarm of four nodes on this machine."""
    nodes, port = free_ports(8), free_port()
    house = House(
        tmp_path_factory.mktemp("swarm") / "home",
        {
            "HOHEIT_OPEN_WEBUI__ENABLED": "false",
            "HOHEIT_PETALS__NODE__PORT": str(nodes),
            "HOHEIT_PETALS__NODE__HEALTH_PORT": str(nodes + 4),
            "HOHEIT_PETALS__GATEWAY__PORT": str(port),
        },
    )
    house.start("--engine", "petals")
    try:
        wait_until(lambda: "Ctrl-C stops everything" in house.output(), "the swarm is up", 280)
        base_url, key = f"http://127.0.0.1:{port}/v1", house.secret("petals-key")
        yield UpstreamSettings(name="s", base_url=base_url, engine="petals", api_key=key)
    finally:
        house.stop()


@pytest.fixture(scope="module")
def servers(start_servers: StartServers, gateway: UpstreamSettings) -> Sequence[VllmServer]:
    model: Path = smollm2()
    return start_servers(VllmServer(MODEL, model, *EAGER, variables=on_core(0), log="beside-swarm"))


async def test_vllm_and_a_swarm_go_on_with_each_others_answers(
    gateway: UpstreamSettings,
    servers: Sequence[VllmServer],
    start_adapter: StartAdapter,
    client: Client,
):
    """Both compute in float32 with the same weights: they say the same but where two words are as likely."""
    upstreams = (servers[0].upstream("v"), gateway)
    equal, gone_on = await go_on_with_each_other(
        start_adapter, client, MODEL, upstreams, QUESTIONS, ANSWER_TOKENS
    )
    assert equal > len(QUESTIONS) / 2
    assert gone_on == {"v broke off, s goes on", "s broke off, v goes on"}

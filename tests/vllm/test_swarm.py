"""SmolLM2 in vLLM and in a real swarm: each goes on with what the other one began."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from asking import ask, question, until_ready
from conftest import StartAdapter, StartServers
from models import smollm2
from scripted import Client
from server import EAGER, VllmServer, on_core

from backend_adapter.settings import UpstreamSettings
from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy
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
        yield _swarm(port, house.secret("petals-key"))
    finally:
        house.stop()


@pytest.fixture(scope="module")
def servers(start_servers: StartServers, gateway: UpstreamSettings) -> Sequence[VllmServer]:
    model: Path = smollm2()
    return start_servers(VllmServer(MODEL, model, *EAGER, variables=on_core(0), log="beside-swarm"))


def _swarm(port: int, key: str) -> UpstreamSettings:
    base_url = f"http://127.0.0.1:{port}/v1"
    return UpstreamSettings(name="s", base_url=base_url, engine="petals", api_key=key)


async def test_vllm_and_a_swarm_go_on_with_each_others_answers(
    gateway: UpstreamSettings,
    servers: Sequence[VllmServer],
    start_adapter: StartAdapter,
    client: Client,
):
    server, gone_on, equal = servers[0], set[str](), 0
    key = gateway.api_key.get_secret_value() if gateway.api_key else ""
    port = int(gateway.base_url.rsplit(":", 1)[1].partition("/")[0])
    alone = [start_adapter(server.upstream("v")), start_adapter(gateway)]
    async with Proxy(server.port, Link()) as first, Proxy(port, Link()) as second:
        together = start_adapter(
            server.upstream("v", first.port), _swarm(second.port, key), selection="round_robin"
        )
        for adapter in (*alone, together):
            await until_ready(client, adapter)

        def cut() -> None:
            for link in (first, second):
                link.cut()

        for text in QUESTIONS:
            body = question(text, max_tokens=ANSWER_TOKENS)
            by_vllm, by_swarm = [await ask(client, adapter, MODEL, body) for adapter in alone]
            # Both compute in float32 with the same weights.
            equal += by_vllm.answer == by_swarm.answer
            if by_vllm.answer != by_swarm.answer:
                continue
            whole = by_vllm.characters
            for when in range(1, whole - 1, max(1, whole // 5)):
                said = await ask(client, together, MODEL, body, when=when, break_off=cut)
                assert said.errors == []
                assert said.answer == by_vllm.answer
                # A cut may come after the last word has left.
                gone_on.update(each.partition(";")[0] for each in said.comments)
    assert equal == len(QUESTIONS)
    assert gone_on == {"v broke off, s goes on", "s broke off, v goes on"}

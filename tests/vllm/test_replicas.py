"""SmolLM2 in two vLLM servers and in llama.cpp: who leaves, who dies, and who goes on with an answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asking import CHAT, ask, question, until_ready
from conftest import StartAdapter, StartServers
from cutting import go_on_with_each_other
from models import smollm2
from scripted import Client, RunningAdapter
from server import EAGER, VllmServer, on_core

from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy
from tests.llamacpp import MODEL, LlamaServer

QUESTION = "Tell me about the town hall of Hamburg in a few sentences."
# llama.cpp rounds more: of 30 questions, both engines answered 8 alike, the first ones among these.
QUESTIONS = (
    "Name three colours.",
    "How do I boil an egg?",
    "What is a prime number?",
    "What is the largest planet?",
    "Name three animals.",
    "What is the capital of France?",
    "How many days are in a week?",
    "What is two plus two?",
    "Name a fruit.",
    "What is water made of?",
    "Who wrote Hamlet?",
    "What is the opposite of hot?",
    "What colour is the sky?",
    "Name a month.",
    "What do bees make?",
    "What is a triangle?",
)
ANSWER_TOKENS = 40
LEFT_S = 20
LEARNS_S = 20
# As many requests as these servers compute at the same time (server.py).
SEATS = 32
OPERATOR = "the-operator"


@pytest.fixture(scope="module")
def both(start_servers: StartServers) -> Sequence[VllmServer]:
    servers = [
        VllmServer(MODEL, smollm2(), *EAGER, variables=on_core(core), log=f"{MODEL}-{core}")
        for core in (0, 1)
    ]
    return start_servers(*servers)


@pytest.fixture
def pair(both: Sequence[VllmServer]) -> Sequence[VllmServer]:
    """Two servers that are alive, whatever the test before has done to them."""
    for each in both:
        if not each.healthy():
            each.stop()
            each.start()
    for each in both:
        each.ready()
    return both


@pytest.fixture
async def llama() -> AsyncIterator[LlamaServer]:
    server = LlamaServer()
    server.start()
    await server.ready()
    yield server
    server.kill()


def answering(adapter: RunningAdapter) -> str:
    """The name of the replica that is answering now."""
    members = adapter.app.state.services.pool.members
    [name] = [name for name, member in members.items() if member.running]
    return str(name)


async def test_an_answer_that_nobody_waits_for_is_not_computed(
    pair: Sequence[VllmServer], start_adapter: StartAdapter, client: Client
):
    server = pair[0]
    adapter = start_adapter(server.upstream("a"))
    await until_ready(client, adapter)

    def running() -> float:
        return server.metrics()["vllm:num_requests_running"]

    body = {"model": MODEL, "stream": True, "ignore_eos": True} | question(
        QUESTION, max_tokens=1500
    )
    async with client.stream(adapter, CHAT, body) as response:
        async for _ in response.content.iter_any():
            if await asyncio.to_thread(running) == 1:
                break
    async with asyncio.timeout(LEFT_S):
        while await asyncio.to_thread(running):
            await asyncio.sleep(0.1)


async def test_vllm_and_llamacpp_go_on_with_each_others_answers(
    pair: Sequence[VllmServer], llama: LlamaServer, start_adapter: StartAdapter, client: Client
):
    """Wherever both would have said the same."""
    upstreams = (pair[0].upstream("v"), llama.upstream("l"))
    equal, gone_on = await go_on_with_each_other(
        start_adapter, client, MODEL, upstreams, QUESTIONS, ANSWER_TOKENS
    )
    assert equal
    assert gone_on == {"v broke off, l goes on", "l broke off, v goes on"}


async def test_what_a_server_can_do_is_found_out_from_it(
    pair: Sequence[VllmServer], start_adapter: StartAdapter, client: Client
):
    """These were started without a parser for calls."""
    adapter = start_adapter(pair[0].upstream("a"), admin_key=OPERATOR)
    await until_ready(client, adapter)

    async def told() -> dict[str, Any]:
        picture = (await client.get(adapter, "/v1/topology", key=OPERATOR)).json
        return dict(picture["upstreams"][0]["replicas"][0])

    async with asyncio.timeout(LEARNS_S):
        while (await told())["capabilities"]["structured_outputs"] is None:
            await asyncio.sleep(0.1)
    replica = await told()
    assert replica["capabilities"] == {
        "continuation": "tokens",
        "reasoning_field": "reasoning",
        "tool_parser": False,
        "structured_outputs": True,
        "prefix_caching": True,
    }
    assert replica["engine_load"]["kv_cache_tokens"] > 2048


async def test_conversations_that_begin_keep_away_from_a_server_that_others_have_filled(
    pair: Sequence[VllmServer], start_adapter: StartAdapter, client: Client
):
    """Nobody asks through the adapter yet: only the server itself can tell that requests wait there."""
    full, free = pair
    adapter = start_adapter(full.upstream("full"), free.upstream("free"), admin_key=OPERATOR)
    await until_ready(client, adapter)
    body = {"model": MODEL, "max_tokens": 1500, "ignore_eos": True, "stream": True, "prompt": "A"}
    async with AsyncExitStack() as others:
        for _ in range(SEATS + 4):
            await others.enter_async_context(
                client.session.post(f"{full.url}/v1/completions", json=body)
            )

        async def waiting() -> int:
            picture = (await client.get(adapter, "/v1/topology", key=OPERATOR)).json
            load = picture["upstreams"][0]["replicas"][0]["engine_load"]
            return int(load["waiting"]) if load else 0

        async with asyncio.timeout(LEARNS_S):
            while not await waiting():
                await asyncio.sleep(0.1)
        before = full.metrics()["vllm:request_success_total"]
        for number in range(8):
            said = await ask(client, adapter, MODEL, question(f"Say {number}.", max_tokens=4))
            assert said.content
        assert await waiting()
        assert full.metrics()["vllm:request_success_total"] == before
    members = adapter.app.state.services.pool.members
    assert members["free"].replicas[MODEL].ttft_known >= 8


@pytest.mark.parametrize("process", ["VLLM::EngineCore", "VLLM::Worker"])
async def test_what_a_dying_engine_began_the_other_finishes(
    pair: Sequence[VllmServer], start_adapter: StartAdapter, client: Client, process: str
):
    servers = dict(zip("ab", pair, strict=True))
    adapter = start_adapter(*(server.upstream(name) for name, server in servers.items()))
    await until_ready(client, adapter)
    body = question(QUESTION, max_tokens=120)
    undisturbed = await ask(client, adapter, MODEL, body)
    died = []

    def kill() -> None:
        died.append(answering(adapter))
        servers[died[0]].kill(process)

    said = await ask(client, adapter, MODEL, body, when=40, break_off=kill)
    assert said.errors == []
    assert said.answer == undisturbed.answer
    assert said.usage["completion_tokens"] == undisturbed.usage["completion_tokens"]
    assert said.done and said.comments[-1].startswith(f"{died[0]} broke off")
    for _ in range(5):
        after = await ask(client, adapter, MODEL, question("Hi", max_tokens=4))
        assert after.errors == [] and after.content


async def test_vllm_goes_on_with_a_sampled_answer_that_llamacpp_began(
    pair: Sequence[VllmServer], llama: LlamaServer, start_adapter: StartAdapter, client: Client
):
    """There are no token ids for it, and the same request would be another answer."""
    async with Proxy(llama.port, Link()) as link:
        together = start_adapter(
            llama.upstream("l", link.port), pair[0].upstream("v"), selection="round_robin"
        )
        await until_ready(client, together)
        gone_on = set()
        for when in (20, 30, 40, 50):
            body = question(QUESTION, max_tokens=ANSWER_TOKENS, temperature=0.7)
            said = await ask(client, together, MODEL, body, when=when, break_off=link.cut)
            assert said.errors == [] and said.done
            assert len(said.content) > when
            gone_on.update(each.partition(";")[0] for each in said.comments)
    assert gone_on == {"l broke off, v goes on"}

"""Who is asked, and what operators do meanwhile."""

import asyncio
from typing import Any

import pytest
from replicas import (
    CHAT,
    WORDS,
    Pair,
    break_after,
    ready,
    refuse,
    say,
    text_of,
)
from scripted import (
    KEY,
    Client,
    Reply,
    RunningAdapter,
    StartAdapter,
    Turn,
    ask,
    chunk,
)

OPERATOR = "the-operator"


async def test_the_turns_of_a_conversation_go_to_one_replica_and_many_to_all(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    for number in range(12):
        before = [len(each.turns) for each in pair]
        messages = [{"role": "user", "content": f"question {number}"}]
        for _ in range(3):
            await client.post(adapter, CHAT, ask() | {"messages": messages})
            messages += [
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "And then?"},
            ]
        grown = [len(each.turns) - then for each, then in zip(pair, before, strict=True)]
        assert sorted(grown) == [0, 3]
    assert all(each.turns for each in pair)


async def test_conversations_that_begin_together_are_shared_out_and_return_where_they_began(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    let_go = asyncio.Event()

    async def held(turn: Turn) -> None:
        if turn.body["max_tokens"] > 1:  # a probe has one
            await let_go.wait()
        await turn.say("Hello")

    for each in pair:
        each.script = held
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")

    def question(number: int, *more: dict[str, str]) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"question {number:02}"}, *more]
        return ask(max_tokens=100) | {"messages": messages}

    def asked(number: int) -> list[int]:
        """How often each of both was asked in this conversation."""
        text = f"question {number:02}"
        told = [[turn.body["messages"][0]["content"] for turn in each.turns] for each in pair]
        return [each.count(text) for each in told]

    first = [
        asyncio.create_task(client.post(adapter, CHAT, question(number))) for number in range(16)
    ]
    async with asyncio.timeout(20):
        while sum(sum(asked(number)) for number in range(16)) < 16:
            await asyncio.sleep(0.01)
    let_go.set()
    await asyncio.gather(*first)
    began = [asked(number) for number in range(16)]
    assert [sum(each) for each in zip(*began, strict=True)] == [8, 8]
    more = ({"role": "assistant", "content": "Hello"}, {"role": "user", "content": "And then?"})
    for number in range(16):
        await client.post(adapter, CHAT, question(number, *more))
        assert asked(number) == [2 * times for times in began[number]]


async def operate(
    client: Client, adapter: RunningAdapter, method: str, path: str, body: object = None
) -> Any:
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    url = f"{adapter.url}/v1/topology{path}"
    async with client.session.request(method, url, json=body, headers=headers) as response:
        assert response.status in (200, 201)
        return await response.json()


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/up0/drain"), ("DELETE", "/up0")], ids=["drain", "remove"]
)
async def test_an_answer_outlasts_its_replica_s_leaving(
    pair: Pair, start_adapter: StartAdapter, client: Client, method: str, path: str
):
    first, second = pair

    async def slowly(turn: Turn) -> None:
        await turn.send(chunk({"content": WORDS[0]}))
        await turn.heard.wait()
        await turn.say(*WORDS[1:])

    first.script = slowly
    adapter = start_adapter(first, admin_key=OPERATOR)
    await ready(client, adapter, "up0")
    headers = {"Authorization": f"Bearer {KEY}"}
    url = adapter.url + CHAT
    async with client.session.post(url, json=ask(stream=True), headers=headers) as response:
        begun = await response.content.readuntil(b"\n\n")
        added = {"name": "late", "base_url": second.base_url}
        await operate(client, adapter, "POST", "", added)
        await operate(client, adapter, method, path)
        await ready(client, adapter, "late")
        assert (await client.post(adapter, CHAT, ask())).status == 200
        assert len(second.turns) == 1
        first.turns[0].heard.set()
        rest = await response.content.read()
    reply = Reply(200, {}, (begun + rest).decode())
    assert text_of(reply) == "".join(WORDS)
    assert reply.frames[-1] == "[DONE]"
    assert len(first.turns) == 1


async def test_a_drained_replica_gets_work_again_when_it_is_resumed(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    adapter = start_adapter(*pair, admin_key=OPERATOR, selection="round_robin")
    await ready(client, adapter, "up0", "up1")
    await operate(client, adapter, "POST", "/up0/drain")
    for _ in range(4):
        assert (await client.post(adapter, CHAT, ask())).status == 200
    assert [len(each.turns) for each in pair] == [0, 4]
    await operate(client, adapter, "POST", "/up0/resume")
    for _ in range(4):
        await client.post(adapter, CHAT, ask())
    assert [len(each.turns) for each in pair] == [2, 6]


async def test_no_user_s_request_tests_a_replica_that_failed(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    """While it cannot generate, only the adapter's own probes reach it, though it lists its models."""
    failing, fine = pair
    adapter = start_adapter(*pair, selection="round_robin")
    await ready(client, adapter, "up0", "up1")
    failing.script = break_after(0, wait=False)
    failing.probe_script = refuse(500)
    for _ in range(6):
        assert (await client.post(adapter, CHAT, ask())).status == 200
    assert len(failing.turns) <= 1
    failing.script = fine.script
    failing.probe_script = say("ok")
    await ready(client, adapter, "up0")
    before = len(failing.turns)
    for _ in range(2):
        await client.post(adapter, CHAT, ask())
    assert len(failing.turns) == before + 1

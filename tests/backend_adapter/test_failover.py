"""What a client gets when the replica that answers it fails: the rules one by one.

The whole matrix of faults and places is in test_fault_matrix.py.
"""

import asyncio
from typing import Any

import pytest
from replicas import (
    CHAT,
    GREEDY,
    WORDS,
    Pair,
    answer,
    both,
    break_after,
    hang,
    in_turn,
    ready,
    say,
    text_of,
    turns,
)
from scripted import (
    Client,
    Script,
    ScriptedUpstream,
    StartAdapter,
    Turn,
    ask,
    chunk,
    eventually,
    usage,
)

OPERATOR = "the-operator"


@pytest.mark.parametrize("open_webui", [True, False])
async def test_after_the_first_token_the_answer_goes_on_as_one(
    pair: Pair, start_adapter: StartAdapter, client: Client, open_webui: bool
):
    both(pair, break_after(2), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    headers = {"X-Hoheit-Chat-Id": "chat-1"} if open_webui else {}
    reply = await answer(client, adapter, pair, ask(**GREEDY), **headers)
    frames = reply.frames
    statuses = [each for each in frames if "event" in each and each != "[DONE]"]
    chunks = [each for each in frames if each != "[DONE]" and "choices" in each]
    assert text_of(reply) == "".join(WORDS)
    assert len({each["id"] for each in chunks}) == 1
    assert sum("role" in delta for delta in reply.deltas) == 1
    assert [each["usage"]["completion_tokens"] for each in chunks if "usage" in each] == [5]
    finishes = [each["choices"][0]["finish_reason"] for each in chunks if each["choices"]]
    assert [each for each in finishes if each] == ["stop"]
    assert frames.count("[DONE]") == 1
    told = [line for line in reply.text.split("\n\n") if line.startswith(": ")]
    if open_webui:
        [status] = statuses
        description = status["event"]["data"]["description"]
        assert status["event"]["type"] == "status"
        assert status["event"]["data"]["done"] is True
        assert told == []
        assert frames.index(status) < len(frames) - 3
    else:
        assert statuses == []
        [description] = told
    assert "up0" in description
    assert "up1" in description


async def test_a_whole_answer_is_gone_on_with_too(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_after(3, wait=False), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await client.post(adapter, CHAT, ask(temperature=0))
    assert reply.json["choices"][0]["message"]["content"] == "".join(WORDS)
    assert reply.json["usage"]["completion_tokens"] == 5


async def test_a_replica_that_says_it_otherwise_is_not_believed(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_after(2), say("Guten", " Abend"), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)
    assert turns(*pair) == 3


@pytest.mark.parametrize(
    "body", [{"temperature": 1}, {"n": 2, "temperature": 0}], ids=["sampled", "n"]
)
async def test_what_nobody_can_go_on_with_ends_in_an_error_that_keeps_the_text(
    pair: Pair, start_adapter: StartAdapter, client: Client, body: dict[str, Any]
):
    both(pair, break_after(2), say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**{**GREEDY, **body}))
    assert reply.status == 200
    assert text_of(reply) == "Guten Tag"
    assert set(reply.frames[-1]["error"]) == {"message", "type", "param", "code"}
    assert "[DONE]" not in reply.frames
    assert turns(*pair) == 1


async def test_a_lone_upstream_that_broke_off_is_asked_again(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    upstream.script = in_turn(break_after(2), say(*WORDS))
    adapter = start_adapter(upstream)
    reply = await answer(client, adapter, [upstream], ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)
    assert "asked again" in reply.text


async def test_one_that_hangs_goes_on_once_it_has_proved_that_it_can(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    async def begin_and_hang(turn: Turn) -> None:
        await turn.send(chunk({"content": "Guten"}))
        await hang(turn)

    upstream.script = in_turn(begin_and_hang, say(*WORDS))
    adapter = start_adapter(upstream, stall_timeout_s=0.3)
    reply = await answer(client, adapter, [upstream], ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)


async def test_one_that_hangs_is_not_asked_again_for_the_same_answer_while_it_does(
    upstream: ScriptedUpstream, start_adapter: StartAdapter, client: Client
):
    async def begin_and_hang(turn: Turn) -> None:
        upstream.probe_script = hang
        await turn.send(chunk({"content": "Guten"}))
        await hang(turn)

    upstream.script = in_turn(begin_and_hang, say(*WORDS))
    adapter = start_adapter(upstream, stall_timeout_s=0.3, patience_s=1)
    reply = await answer(client, adapter, [upstream], ask(**GREEDY))
    assert reply.frames[-1]["error"]["code"] == "upstream_timeout"
    assert len(upstream.turns) == 1


async def test_an_answer_may_be_gone_on_with_many_times(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    breaks = [break_after(count, wait=False) for count in (1, 2, 3, 4)]
    both(pair, *breaks, say(*WORDS))
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**GREEDY))
    assert text_of(reply) == "".join(WORDS)
    assert turns(*pair) == 5


async def test_a_client_that_leaves_while_another_replica_goes_on_ends_its_work(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_after(2, wait=False), hang)
    adapter = start_adapter(*pair)
    await ready(client, adapter, "up0", "up1")
    asking = asyncio.create_task(answer(client, adapter, pair, ask(**GREEDY)))
    await eventually(lambda: turns(*pair) == 2)
    asking.cancel()
    await eventually(lambda: sum(each.aborted for each in pair) >= 1)


# Engines that go on from what there is.


async def say_with_ids(turn: Turn) -> None:
    """As vLLM answers the adapter's probe: with token ids."""
    first = {"choices": [{"index": 0, "delta": {"role": "assistant"}}], "prompt_token_ids": [1, 2]}
    word = chunk({"content": "ok"})
    word["choices"][0]["token_ids"] = [7]
    await turn.send(first, word, chunk(finish="length"), usage(2, 1), "[DONE]")


def break_with_ids(count: int) -> Script:
    async def script(turn: Turn) -> None:
        first = {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}
        await turn.send({**first, "prompt_token_ids": [1, 2, 3]})
        for number, word in enumerate(WORDS[:count]):
            said = chunk({"content": word})
            said["choices"][0]["token_ids"] = [10 + number]
            await turn.send(said)
        await turn.heard.wait()
        turn.cut()

    return script


def go_on_with_text(*words: str) -> Script:
    async def script(turn: Turn) -> None:
        for word in words:
            await turn.send({"choices": [{"index": 0, "text": word, "finish_reason": None}]})
        end = {"index": 0, "text": "", "finish_reason": "stop"}
        await turn.send({"choices": [end]}, usage(5, len(words)), "[DONE]")

    return script


def vllm_settings(pair: Pair) -> dict[str, Any]:
    named = [
        {"name": f"up{number}", "base_url": each.base_url, "engine": "vllm"}
        for number, each in enumerate(pair)
    ]
    for each in pair:
        each.probe_script = say_with_ids
    return {"upstreams": named}


async def test_token_ids_are_gone_on_with_and_the_limit_is_what_is_left(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    both(pair, break_with_ids(2), go_on_with_text(*WORDS[2:]))
    adapter = start_adapter(**vllm_settings(pair))
    await ready(client, adapter, "up0", "up1")
    body = ask(**{**GREEDY, "temperature": 1}, max_tokens=50, min_tokens=4)
    reply = await answer(client, adapter, pair, body)
    assert text_of(reply) == "".join(WORDS)
    bodies = {turn.request.path: turn.body for each in pair for turn in each.turns}
    gone_on = bodies["/v1/completions"]
    assert gone_on["prompt"] == [1, 2, 3, 10, 11]
    assert (gone_on["max_tokens"], gone_on["min_tokens"]) == (48, 2)
    assert "messages" not in gone_on
    used = next(each["usage"] for each in reply.frames if "usage" in each)
    assert (used["prompt_tokens"], used["completion_tokens"]) == (3, 5)


@pytest.mark.parametrize(
    "more",
    [{"stop": ["\n\n"]}, {"frequency_penalty": 1.0}, {"response_format": {"type": "json_object"}}],
    ids=lambda more: next(iter(more)),
)
async def test_a_greedy_answer_that_depends_on_its_own_beginning_is_told_anew(
    pair: Pair, start_adapter: StartAdapter, client: Client, more: dict[str, Any]
):
    both(pair, break_with_ids(2), say(*WORDS))
    adapter = start_adapter(**vllm_settings(pair))
    await ready(client, adapter, "up0", "up1")
    reply = await answer(client, adapter, pair, ask(**GREEDY, **more))
    assert text_of(reply) == "".join(WORDS)
    assert {turn.request.path for each in pair for turn in each.turns} == {CHAT}


async def test_an_engine_that_does_not_tell_the_text_of_ids_answers_anew(
    pair: Pair, start_adapter: StartAdapter, client: Client
):
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
    both(pair, break_with_ids(2), say(*WORDS))
    adapter = start_adapter(**vllm_settings(pair))
    await ready(client, adapter, "up0", "up1")
    # With tools the text of the ids is needed, and the scripted upstream has no such path.
    reply = await answer(client, adapter, pair, ask(**GREEDY, tools=[tool]))
    assert text_of(reply) == "".join(WORDS)

"""Breaks answers off in the network between adapter and engine."""

import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asking import Said, ask, question, until_ready
from conftest import StartAdapter
from scripted import Client
from server import VllmServer

from backend_adapter.settings import UpstreamSettings
from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy

_EVERY = 6
_ENOUGH = 3
_GOING_ON = "backend_adapter.routing.answering"


async def assert_goes_on_anywhere(
    server: VllmServer,
    start_adapter: StartAdapter,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    body: dict[str, Any],
    policy: Path,
) -> None:
    """Whichever of its characters was the last that came, the answer is the one that is not disturbed.

    The first way on has to be the right one. `policy` is the file of the adapter's own.
    """
    caplog.set_level(logging.INFO, _GOING_ON)
    # The call of a tool that runs elsewhere is held back until it is whole.
    policy.write_text("rules: [{then: pseudonymise}]\nsite_tools: ['*']\n", encoding="utf-8")
    async with Proxy(server.port, Link()) as link:
        adapter = start_adapter(server.upstream("a", link.port), egress={"policy": policy})
        await until_ready(client, adapter)
        undisturbed = await ask(client, adapter, server.name, body)
        assert undisturbed.done and not undisturbed.errors

        def cut() -> None:
            link.cut()

        places = range(1, undisturbed.characters - 1, _EVERY)
        gone_on = 0
        for when in places:
            caplog.clear()
            said = await ask(client, adapter, server.name, body, when=when, break_off=cut)
            assert said.errors == []
            assert _counts(said) == _counts(undisturbed), when
            told = [each.getMessage() for each in caplog.records if each.name == _GOING_ON]
            # A cut may come after the last word has left.
            gone_on += bool(told)
            assert all("broke off" in each for each in told), told
        assert gone_on > len(places) / 2


async def go_on_with_each_other(
    start_adapter: StartAdapter,
    client: Client,
    model: str,
    upstreams: Sequence[UpstreamSettings],
    questions: Sequence[str],
    max_tokens: int,
) -> tuple[int, set[str]]:
    """Of how many questions both give one answer, and who went on for whom where one of those was cut.

    Each of them is cut at several places, and either one begins. A few of them are enough.
    """
    equal, gone_on = 0, set[str]()
    alone = [start_adapter(each) for each in upstreams]
    async with AsyncExitStack() as stack:
        links = [
            await stack.enter_async_context(Proxy(_port(each.base_url), Link()))
            for each in upstreams
        ]
        behind = [
            each.model_copy(update={"base_url": f"http://127.0.0.1:{link.port}/v1"})
            for each, link in zip(upstreams, links, strict=True)
        ]
        together = start_adapter(*behind, selection="round_robin")
        for adapter in (*alone, together):
            await until_ready(client, adapter)

        def cut() -> None:
            for link in links:
                link.cut()

        for text in questions:
            if equal == _ENOUGH:
                break
            body = question(text, max_tokens=max_tokens)
            one, other = [await ask(client, adapter, model, body) for adapter in alone]
            if one.answer != other.answer:
                continue
            equal += 1
            for when in range(1, one.characters - 1, max(1, one.characters // 5)):
                said = await ask(client, together, model, body, when=when, break_off=cut)
                assert said.errors == []
                assert said.answer == one.answer
                # A cut may come after the last word has left.
                gone_on.update(each.partition(";")[0] for each in said.comments)
    return equal, gone_on


def _port(base_url: str) -> int:
    return urlsplit(base_url).port or 80


def _counts(said: Said) -> tuple[object, ...]:
    # White space before a call shows nowhere; it may be lost.
    content = said.content.strip() if said.calls else said.content
    return said.reasoning, content, said.calls, said.finish, said.usage["completion_tokens"]

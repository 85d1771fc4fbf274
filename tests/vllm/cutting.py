"""Breaks answers off in the network between adapter and engine."""

import logging
from typing import Any

import pytest
from asking import Said, ask, until_ready
from conftest import StartAdapter
from scripted import Client
from server import VllmServer

from benchmarks.wan.links import Link
from benchmarks.wan.proxy import Proxy

_EVERY = 6
_GOING_ON = "backend_adapter.routing.answering"


async def assert_goes_on_anywhere(
    server: VllmServer,
    start_adapter: StartAdapter,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    body: dict[str, Any],
) -> None:
    """Whichever of its characters was the last that came, the answer is the one that is not disturbed.

    The first way on has to be the right one.
    """
    caplog.set_level(logging.INFO, _GOING_ON)
    async with Proxy(server.port, Link()) as link:
        adapter = start_adapter(server.upstream("a", link.port))
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


def _counts(said: Said) -> tuple[object, ...]:
    # White space before a call shows nowhere; it may be lost.
    content = said.content.strip() if said.calls else said.content
    return said.reasoning, content, said.calls, said.finish, said.usage["completion_tokens"]

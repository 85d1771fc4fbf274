"""Scripted upstreams and adapters in front of them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from scripted import (
    DEADLINE_S,
    KEY,
    Client,
    RunningAdapter,
    ScriptedUpstream,
    StartAdapter,
)
from topology_tabs import ADMIN, MakeSite, Site

from backend_adapter.settings import AdapterSettings, UpstreamSettings


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    scripted = ScriptedUpstream()
    runner = await scripted.serve()
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def second_upstream() -> AsyncIterator[ScriptedUpstream]:
    scripted = ScriptedUpstream()
    runner = await scripted.serve()
    yield scripted
    await runner.cleanup()


@pytest.fixture
def start_adapter() -> Iterator[StartAdapter]:
    """Start an adapter in front of scripted upstreams; keywords are settings."""
    running: list[RunningAdapter] = []

    def start(*upstreams: ScriptedUpstream, **settings: Any) -> RunningAdapter:
        named = tuple(
            UpstreamSettings(name=f"up{number}", base_url=each.base_url, api_key="upstream-key")
            for number, each in enumerate(upstreams)
        )
        settings = {"api_key": KEY, "upstreams": named, "catalogue_refresh_s": 0.2, **settings}
        adapter = RunningAdapter(AdapterSettings(**settings))
        adapter.start()
        running.append(adapter)
        return adapter

    yield start
    for adapter in running:
        adapter.stop()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(session)


@pytest.fixture
async def pair(
    upstream: ScriptedUpstream, second_upstream: ScriptedUpstream
) -> tuple[ScriptedUpstream, ScriptedUpstream]:
    """Two replicas of one model."""
    return upstream, second_upstream


@pytest.fixture
async def make_site(start_adapter: StartAdapter) -> AsyncIterator[MakeSite]:
    """Start upstreams (name, place, engine, models) and an adapter in front of them."""
    async with AsyncExitStack() as stack:

        async def make(*wanted: tuple[str, str, str, list[str]], **settings: object) -> Site:
            upstreams, named = {}, []
            for name, place, engine, models in wanted:
                scripted = upstreams[name] = ScriptedUpstream()
                scripted.models = models
                runner = await scripted.serve()
                stack.push_async_callback(runner.cleanup)
                url = scripted.base_url
                named.append(UpstreamSettings(name=name, base_url=url, site=place, engine=engine))
            adapter = start_adapter(admin_key=ADMIN, upstreams=tuple(named), **settings)
            site = Site(upstreams, adapter)
            stack.callback(site.go_on.set)
            return site

        yield make

"""Adapters in front of real vLLM servers. Each test module has servers of its own: two fit beside each other."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest
from scripted import KEY, Client, RunningAdapter
from server import VllmServer

from backend_adapter.settings import AdapterSettings, UpstreamSettings

StartAdapter = Callable[..., RunningAdapter]
StartServers = Callable[..., Sequence[VllmServer]]
_CLIENT_S = 120


@pytest.fixture(scope="module")
def start_servers() -> Iterator[StartServers]:
    """Start servers, all at once, and end them with the module."""
    with ExitStack() as stack:

        def start(*servers: VllmServer) -> Sequence[VllmServer]:
            for each in servers:
                stack.callback(each.stop)
                each.start()
            for each in servers:
                each.ready()
            return servers

        yield start


@pytest.fixture
def start_adapter() -> Iterator[StartAdapter]:
    """Start an adapter in front of these upstreams; keywords are settings."""
    with ExitStack() as stack:

        def start(*upstreams: UpstreamSettings, **settings: Any) -> RunningAdapter:
            adapter = RunningAdapter(
                AdapterSettings(
                    **{
                        "api_key": KEY,
                        "upstreams": upstreams,
                        "catalogue_refresh_s": 0.5,
                        **settings,
                    }
                )
            )
            adapter.start()
            stack.callback(adapter.stop)
            return adapter

        yield start


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(total=_CLIENT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield Client(session)

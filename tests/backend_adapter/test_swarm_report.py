"""The swarm behind an upstream, as operators see it in the topology and the metrics."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted import DEADLINE_S, Client, ScriptedUpstream, StartAdapter

from backend_adapter.settings import UpstreamSettings
from backend_adapter.upstreams.swarm import read_report

ADMIN = "the-admin-key"
SWARM: dict[str, Any] = {
    "layers": 4,
    "coverage": [2, 1, 1, 0],
    "missing": [[3, 4]],
    "spans": [
        {
            "peer": "12D3KooWone",
            "name": "<b>north</b>",
            "layers": [0, 3],
            "state": "online",
            "round_trip_s": 0.05,
            "cache_tokens_left": 4096,
            "features": ["rollback"],
        },
        {"peer": "12D3KooWtwo", "name": "", "layers": [0, 1], "state": "joining"},
    ],
    "banned": [{"peer": "12D3KooWbad", "reason": "It lied."}],
}


def told(**changes: object) -> bytes:
    return json.dumps({**SWARM, **changes}).encode()


def test_nodes_and_missing_layers_are_counted_and_names_are_plain() -> None:
    report = read_report(told())

    assert report is not None
    assert (report.nodes, report.layers_missing) == (1, 1)
    assert [node.name for node in report.spans] == ["north", ""]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b"[]",
        told(layers=-1),
        told(layers=5),
        told(layers=10**9, coverage=[]),
        told(coverage=[1, 1, 1, -1]),
        told(spans=[{"layers": [0, 1], "state": "asleep"}]),
    ],
)
def test_what_is_no_report_is_none(raw: bytes) -> None:
    assert read_report(raw) is None


def test_only_so_many_nodes_are_kept() -> None:
    report = read_report(told(spans=[{"layers": [0, 1], "state": "online"}] * 1000))

    assert report is not None
    assert len(report.spans) == 256


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await holds():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("engine", ["petals", "vllm"])
async def test_the_swarm_of_a_petals_gateway_is_shown_and_goes_when_it_is_no_longer_told(
    engine: str, start_adapter: StartAdapter, client: Client
) -> None:
    upstream = ScriptedUpstream()
    upstream.swarm = SWARM
    runner = await upstream.serve()
    try:
        adapter = start_adapter(
            admin_key=ADMIN,
            catalogue_refresh_s=0.05,
            connect_timeout_s=0.2,
            upstreams=(UpstreamSettings(name="swarm", base_url=upstream.base_url, engine=engine),),
        )

        async def seen() -> Any:
            [each] = (await client.get(adapter, "/v1/topology", ADMIN)).json["upstreams"]
            return each

        async def answers() -> bool:
            return (await seen())["fault"] is None

        async def shown() -> bool:
            return (await seen())["swarm"] is not None

        async def gone() -> bool:
            return (await seen())["swarm"] is None

        await eventually(answers)
        if engine != "petals":
            assert await gone()
            return
        await eventually(shown)
        swarm = (await seen())["swarm"]
        assert (swarm["layers_missing"], swarm["missing"]) == (1, [[3, 4]])
        assert swarm["spans"][0]["round_trip_s"] == 0.05
        assert "banned" not in swarm
        figures = (await client.get(adapter, "/metrics", ADMIN)).text
        assert 'hoheit_swarm_layers_missing{upstream="swarm"} 1.0' in figures
        assert 'hoheit_swarm_nodes{upstream="swarm"} 1.0' in figures

        upstream.swarm_busy.set()
        asked = upstream.swarm_asked

        async def asked_again() -> bool:
            return upstream.swarm_asked > asked + 2

        await eventually(asked_again)
        assert await shown()
        upstream.swarm_busy.clear()

        upstream.swarm = None
        await eventually(gone)
        assert await answers()
    finally:
        await runner.cleanup()

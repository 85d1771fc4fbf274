"""The adapter's figures, read as Prometheus reads them."""

import asyncio
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families
from scripted import (
    DEADLINE_S,
    Client,
    RunningAdapter,
)

CHAT = "/v1/chat/completions"
ADMIN = "the-admin-key"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(client: Client, adapter: RunningAdapter) -> Samples:
    reply = await client.get(adapter, "/metrics", ADMIN)
    assert reply.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """The sum of all series of that name with these labels; 0 where there is none."""
    wanted = set(labels.items())
    return sum(v for (n, found), v in samples.items() if n == name and wanted <= found)


async def seen(
    client: Client, adapter: RunningAdapter, holds: Callable[[Samples], bool]
) -> Samples:
    """The first scrape for which it holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds(samples := await scrape(client, adapter)):
            await asyncio.sleep(0.02)
    return samples


async def all_ready(client: Client, adapter: RunningAdapter, number: int) -> Samples:
    """Wait until so many replicas can be asked."""
    return await seen(
        client,
        adapter,
        lambda s: value(s, "hoheit_circuit_state", state="closed") == number,
    )

"""What the adapter costs: the same streamed chats straight to the embedded engine and through the adapter.

    python -m benchmarks.adapter --json

Peer: the engine itself (llama.cpp with SmolLM2), asked directly, in turn with the adapter in one run.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp

from benchmarks.site import Endpoint, Site, running_site

_MODEL = "smollm2-135m"
_TOKENS = 128
_TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass(frozen=True)
class Stream:
    """One answer: seconds to its first chunk with text, and chunks with text per second in all."""

    first_s: float
    chunks_per_s: float


async def _ask(session: aiohttp.ClientSession, endpoint: Endpoint, turn: int) -> Stream:
    body = {
        "model": _MODEL,
        "stream": True,
        "temperature": 0,
        "max_tokens": _TOKENS,
        # A different beginning each time, or the engine would answer from its prompt cache.
        "messages": [
            {"role": "user", "content": f"{turn}. Tell me a long story about a town hall."}
        ],
    }
    headers = {"Authorization": f"Bearer {endpoint.key}"}
    began = time.perf_counter()
    first, chunks = 0.0, 0
    async with session.post(
        f"{endpoint.base_url}/chat/completions", json=body, headers=headers
    ) as response:
        response.raise_for_status()
        async for line in response.content:
            if line.startswith(b"data: {") and b'"content":"' in line:
                first = first or time.perf_counter() - began
                chunks += 1
    return Stream(first, chunks / (time.perf_counter() - began))


async def _measure(site: Site, rounds: int) -> dict[str, float]:
    direct: list[Stream] = []
    through: list[Stream] = []
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for endpoint in (site.engine, site.adapter):
            await _ask(session, endpoint, -1)
        for turn in range(rounds):
            direct.append(await _ask(session, site.engine, 2 * turn))
            through.append(await _ask(session, site.adapter, 2 * turn + 1))
    speed = [t.chunks_per_s / d.chunks_per_s for d, t in zip(direct, through, strict=True)]
    added = [1000 * (t.first_s - d.first_s) for d, t in zip(direct, through, strict=True)]
    return {
        "rounds": rounds,
        "tokens_per_s_direct": round(statistics.median(d.chunks_per_s for d in direct), 1),
        "vs_direct": round(statistics.median(speed), 3),
        "ttft_added_ms": round(statistics.median(added), 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark and prints its figures, as JSON on the last line with --json."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="pairs of chats (default 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    with running_site() as site:
        figures = asyncio.run(_measure(site, options.rounds))
    if options.json:
        print(json.dumps(figures))
        return
    print(f"engine alone        {figures['tokens_per_s_direct']} tokens/s (median)")
    print(f"through the adapter {figures['vs_direct']} of that (median of pairs)")
    print(f"first token later   {figures['ttft_added_ms']} ms (median of pairs)")


if __name__ == "__main__":
    main()

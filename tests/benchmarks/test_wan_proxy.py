"""The delaying proxy: complete, in order, not too early, and cut when told."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.wan.links import Course, Link
from benchmarks.wan.proxy import Proxy

_links = st.builds(
    Link,
    delay_s=st.floats(0, 0.2),
    jitter_s=st.floats(0, 0.2),
    bytes_per_s=st.none() | st.floats(1000, 1e8),
    stall_every_s=st.none() | st.floats(1, 5),
    stall_s=st.floats(0, 0.5),
)
_pieces = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 70_000)), max_size=20)


@given(_links, _pieces, st.integers())
def test_nothing_overtakes_and_nothing_is_early(
    link: Link, pieces: list[tuple[float, int]], seed: int
) -> None:
    course, now, last = Course(link, 0.0, random.Random(seed).random), 0.0, 0.0
    for wait, size in pieces:
        now += wait
        left = course.leaves(now, size)
        assert left >= last
        assert left >= now + link.delay_s
        last = left


@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=20), st.floats(1000, 1e6))
def test_no_more_than_the_bandwidth_gets_through(sizes: list[int], rate: float) -> None:
    course = Course(Link(bytes_per_s=rate), 0.0)
    left = [course.leaves(0.0, size) for size in sizes]
    assert left[-1] >= sum(sizes) / rate * (1 - 1e-9)


@given(st.floats(0, 20))
def test_nothing_leaves_during_a_stall(now: float) -> None:
    left = Course(Link(stall_every_s=5, stall_s=1), 0.0).leaves(now, 1)
    assert left % 5 <= 4 + 1e-6 or left % 5 >= 5 - 1e-6


@asynccontextmanager
async def _echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("link", [Link(), Link(0.01, jitter_s=0.01, bytes_per_s=1e7)])
async def test_bytes_arrive_complete_and_in_order(link: Link) -> None:
    sent = random.Random(1).randbytes(1_000_000)
    async with asyncio.timeout(20), _echo() as target, Proxy(target, link) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

        async def send() -> None:
            writer.write(sent)
            await writer.drain()
            writer.write_eof()

        received, _ = await asyncio.gather(reader.read(-1), send())
        writer.close()
        assert received == sent
        assert proxy.carried == 2 * len(sent)


async def test_a_round_trip_takes_the_delay_of_both_directions() -> None:
    async with asyncio.timeout(20), _echo() as target, Proxy(target, Link(0.05)) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        clock = asyncio.get_running_loop().time
        began = clock()
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
        assert clock() - began >= 0.099
        writer.close()


async def test_cutting_ends_what_is_open_and_lets_new_ones_in() -> None:
    async with asyncio.timeout(20), _echo() as target, Proxy(target, Link()) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x")
        await reader.readexactly(1)
        proxy.cut()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        writer.close()

"""However the network cuts a response, its body is what the server sent."""

import asyncio
import itertools
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.upstreams.http import HttpError, Response
from backend_adapter.upstreams.rounds import Rounds

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Connection:
    """A connection that nothing is written to."""

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def response() -> Response:
    made = Response(asyncio.get_running_loop(), Rounds())
    made.connection_made(cast(asyncio.BaseTransport, Connection()))
    return made


def chunk(body: bytes, size: str = "%x", extension: bytes = b"") -> bytes:
    return (size % len(body)).encode() + extension + b"\r\n" + body + b"\r\n"


async def received(pieces: list[bytes], *, stops: int = 0) -> tuple[bytes, bool]:
    """The body of a response that comes in these pieces, and whether it is complete.

    Its reader lets it flow, and stops that after every so many pieces where `stops` is not 0.
    """
    made, body, taken = response(), bytearray(), 0

    def sink(piece: bytes) -> bool:
        nonlocal taken
        taken += 1
        body.extend(piece)
        return not stops or taken % stops != 0

    async def reads() -> None:
        while piece := await made.read():
            body.extend(piece)
            await made.flow(sink)

    reading = asyncio.ensure_future(reads())
    for piece in pieces:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not made.closed:
            made.data_received(piece)
    if not made.complete:
        made.connection_lost(None)
    try:
        async with asyncio.timeout(5):
            await reading
    except HttpError:
        pass
    return bytes(body), made.complete


def cut(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({place % (len(whole) + 1) for place in cuts} | {0, len(whole)})
    return [whole[a:b] for a, b in itertools.pairwise(places)]


BODIES = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.sampled_from([b"\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"x" * 1023, b"y" * 1024]),
    ),
    max_size=8,
)
SIZES = st.sampled_from(["%x", "%X", "%04x"])
EXTENSIONS = st.sampled_from([b"", b";a=b"])


@given(
    st.lists(st.tuples(BODIES, SIZES, EXTENSIONS), max_size=3),
    st.lists(st.integers(0, 10_000), max_size=12),
    st.integers(0, 3),
)
def test_a_body_is_the_same_however_it_is_cut(groups, cuts, stops):
    bodies = [(body, size, extra) for group, size, extra in groups for body in group]
    whole = HEAD + b"".join(chunk(*each) for each in bodies) + b"0\r\n\r\n"
    body, complete = asyncio.run(received(cut(whole, cuts), stops=stops))
    assert complete
    assert body == b"".join(body for body, _, _ in bodies)


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.integers(0, 3))
def test_chunk_by_chunk_is_the_same_too(bodies, stops):
    pieces = [HEAD, *(chunk(body) for body in bodies), b"0\r\n\r\n"]
    body, complete = asyncio.run(received(pieces, stops=stops))
    assert complete
    assert body == b"".join(bodies)


@pytest.mark.parametrize(
    "wrong",
    [
        b"5\r\nhell\r\n",
        b"5\r\nhelloo\r\n",
        b"5\r\nhello",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5\nhello\r\n",
        b"\r\nhello\r\n",
    ],
)
async def test_a_chunk_that_is_none_ends_the_response_without_its_end(wrong: bytes) -> None:
    pieces = [HEAD, chunk(b"one"), chunk(b"two"), wrong, b"0\r\n\r\n"]
    body, complete = await received(pieces)
    assert body.startswith(b"onetwo")
    assert not complete


async def test_bytes_that_only_look_like_a_chunk_within_one_are_its_body() -> None:
    inner = b"5\r\nhello\r\n"
    whole = chunk(b"one") + chunk(inner)
    start = len(chunk(b"one")) + len(b"a\r\n")
    pieces = [HEAD, whole[:start], whole[start : start + len(inner)], b"\r\n", b"0\r\n\r\n"]
    assert await received(pieces) == (b"one" + inner, True)

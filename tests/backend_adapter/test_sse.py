"""The rules are those of the WHATWG HTML standard, "Interpreting an event stream"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend_adapter.chat.sse import SseParser

LIMIT = 24


def parse(*pieces: bytes, limit: int = 1024) -> list[bytes | None]:
    """The data of all events; None at the end if one was too long."""
    parser = SseParser(limit)
    read: list[bytes | None] = []
    for piece in pieces:
        read.extend(parser.feed(piece))
    return read if parser.too_long is None else [*read, None]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
        (b": test stream\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n", None),
        (b"data\n\ndata\ndata\n\ndata:", [b"", b"\n"]),
        (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
        (b"\xef\xbb\xbfdata: marked\n\n", [b"marked"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
        (b"event: error\ndata: typed\nretry: 5\nunknown: x\ndatas: y\n\n", [b"typed"]),
        (b"data: a:b\n\n", [b"a:b"]),
        (b"data: cut off", []),
        (b"data: cut off\n", []),
        (b"\n\n\n", []),
        (b"", []),
    ],
)
def test_streams_of_the_standard_are_read_as_it_says(stream: bytes, data: list[bytes] | None):
    assert parse(stream) == (data if data is not None else [b"first", b"second", b" third"])


LINES = st.sampled_from(
    [
        b"data: x",
        b"data: \xc3\xa4\xf0\x9f\x8f\x9b",
        b"data",
        b":",
        b"id: 7",
        b"",
        b"data: " + b"y" * 2 * LIMIT,
        b"data: 0123456789",
    ]
)
STREAMS = st.tuples(
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef"]),
    st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=12),
).map(lambda drawn: drawn[0] + b"".join(line + end for line, end in drawn[1]))


@given(STREAMS | st.binary(max_size=60), st.data())
def test_the_result_does_not_depend_on_how_the_bytes_are_cut(stream: bytes, data: st.DataObject):
    whole = parse(stream, limit=LIMIT)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    ends = [*cuts, len(stream)]
    pieces = [stream[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    assert parse(*pieces, limit=LIMIT) == whole
    assert parse(*(stream[at : at + 1] for at in range(len(stream))), limit=LIMIT) == whole


def test_a_line_without_end_is_an_error_instead_of_growing_memory():
    parser = SseParser(max_event_bytes=1000)
    for _ in range(1000):
        assert parser.feed(b"data: more and more ") == []
    assert parser.too_long is not None
    assert not parser._buffer


def test_an_event_of_endlessly_many_lines_is_an_error_too():
    parser = SseParser(max_event_bytes=1000)
    for _ in range(1000):
        assert parser.feed(b"data: more\n") == []
    assert parser.too_long is not None
    assert not parser._data

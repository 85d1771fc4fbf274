"""The faults that an engine can have, one function for each.

`BEFORE` are those before the headers of a response, `WITHIN` those within its stream. A function that
returns True has done no lasting harm: the engine goes on with its answer.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from benchmarks.faults.connection import Connection, event_bytes
from benchmarks.faults.forms import Form

# Pauses of a server that drips, in seconds: all of a chunk comes within any time limit, or never does.
_DRIP_S = 0.0005
_SLOW_DRIP_S = 0.05
_COMMENT_EVERY_S = 0.05
_LONG_LINE = 10 * 1024 * 1024
_ERROR = {"error": {"message": "EngineCore encountered an issue", "type": "x", "code": 500}}
_PIECE = 64 * 1024

Shape = Callable[[Connection, Form], Awaitable[bool | None]]


def _content(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


async def reset(connection: Connection, form: Form) -> None:
    """A TCP reset."""
    connection.reset()


async def close(connection: Connection, form: Form) -> None:
    """The connection closes in good order, the body does not end."""
    connection.close()


async def end(connection: Connection, form: Form) -> None:
    """The body ends in good order, the answer does not."""
    await connection.end()


async def done(connection: Connection, form: Form) -> None:
    """[DONE], though nothing is done."""
    await connection.event("[DONE]")
    await connection.end()


async def null_finish(connection: Connection, form: Form) -> None:
    """A last chunk without a finish reason, then [DONE]."""
    await connection.event(form.finish(None))
    await done(connection, form)


async def abort_finish(connection: Connection, form: Form) -> None:
    """finish_reason "abort", then [DONE]."""
    await connection.event(form.finish("abort"))
    await done(connection, form)


async def error_finish(connection: Connection, form: Form) -> None:
    """finish_reason "error", then [DONE]."""
    await connection.event(form.finish("error"))
    await done(connection, form)


async def error(connection: Connection, form: Form) -> None:
    """An error object, then the body's end."""
    await connection.event(_ERROR)
    await connection.end()


async def error_done(connection: Connection, form: Form) -> None:
    """An error object and [DONE], as vLLM does when a local worker dies."""
    await connection.event(_ERROR)
    await done(connection, form)


async def half_json(connection: Connection, form: Form) -> None:
    """Half of a chunk's JSON, then the body's end."""
    whole = event_bytes(_content("half of it"))
    await connection.chunk(whole[: len(whole) // 2])
    await connection.end()


async def broken_json(connection: Connection, form: Form) -> None:
    """Half of a chunk's JSON as if it were the whole, and on."""
    await connection.event('{"choices": [{"index": 0, "delta": {"con')
    await done(connection, form)


async def half_character(connection: Connection, form: Form) -> None:
    """Half of a character, then the connection's end."""
    await connection.chunk(event_bytes(_content("ö")).partition("ö".encode())[0] + b"\xc3")
    connection.close()


async def no_chunk(connection: Connection, form: Form) -> None:
    """Bytes that are no HTTP chunk."""
    await connection.raw(b"this is no chunk\r\n")
    await connection.gone()


async def http_500(connection: Connection, form: Form) -> None:
    """A second response, of status 500, in the middle of the first."""
    await connection.raw(
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 21\r\n\r\nInternal Server Error"
    )
    await connection.gone()


async def long_line(connection: Connection, form: Form) -> None:
    """A line of 10 MB."""
    await connection.chunk(b'data: {"choices": [{"index": 0, "delta": {"content": "')
    for _ in range(_LONG_LINE // _PIECE):
        await connection.chunk(b"x" * _PIECE)
    await connection.event("[DONE]")
    await connection.end()


async def stall(connection: Connection, form: Form) -> None:
    """Silence, as when a remote worker dies."""
    await connection.gone()


async def comments(connection: Connection, form: Form) -> None:
    """Comments and nothing else."""
    while True:
        await connection.chunk(b": still here\n\n")
        await asyncio.sleep(_COMMENT_EVERY_S)


async def empty_chunks(connection: Connection, form: Form) -> None:
    """Chunks that say nothing."""
    while True:
        await connection.event(_content(""))
        await asyncio.sleep(_COMMENT_EVERY_S)


async def endless_drip(connection: Connection, form: Form) -> None:
    """A chunk that comes byte by byte and does not end in time."""
    for byte in b"data: " + b" " * _PIECE:
        await connection.chunk(bytes([byte]))
        await asyncio.sleep(_SLOW_DRIP_S)


async def drip(connection: Connection, form: Form) -> bool:
    """A chunk that comes byte by byte, in time."""
    for byte in event_bytes(_content("")):
        await connection.chunk(bytes([byte]))
        await asyncio.sleep(_DRIP_S)
    return True


async def other_choice(connection: Connection, form: Form) -> bool:
    """A chunk about a choice that nobody asked for."""
    chunk = _content("a second opinion")
    chunk["choices"][0]["index"] = 1
    await connection.event(chunk)
    return True


async def kill(connection: Connection, form: Form) -> None:
    """kill -9 of the whole engine."""
    os.kill(os.getpid(), signal.SIGKILL)


async def stop(connection: Connection, form: Form) -> None:
    """SIGSTOP of the whole engine: the kernel goes on accepting connections, nobody answers."""
    os.kill(os.getpid(), signal.SIGSTOP)


async def done_twice(connection: Connection, form: Form) -> bool:
    """[DONE] comes twice: the engine says it once more in the end."""
    return True


async def status_400(connection: Connection, form: Form) -> None:
    """HTTP 400: the request itself is at fault."""
    await connection.whole(400, {"error": {"message": "context is too long"}}, "application/json")


async def status_429(connection: Connection, form: Form) -> None:
    """HTTP 429 with Retry-After."""
    body = {"error": {"message": "slow down"}}
    await connection.whole(429, body, "application/json", "Retry-After: 2")


async def status_500(connection: Connection, form: Form) -> None:
    """HTTP 500."""
    await connection.whole(500, b"Internal Server Error", "text/plain")


async def status_503(connection: Connection, form: Form) -> None:
    """HTTP 503."""
    await connection.whole(503, {"error": {"message": "loading"}}, "application/json")


async def html(connection: Connection, form: Form) -> None:
    """Status 200 and a web page."""
    await connection.whole(200, b"<html><h1>Welcome</h1></html>", "text/html")


async def not_streamed(connection: Connection, form: Form) -> None:
    """Status 200 and a whole answer as JSON, though a stream was asked for."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "whole"}}
    await connection.whole(200, {"choices": [choice]}, "application/json")


async def endless_headers(connection: Connection, form: Form) -> None:
    """Headers that do not end."""
    await connection.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        await connection.raw(b"X-More: " + b"x" * 1000 + b"\r\n")


async def no_http(connection: Connection, form: Form) -> None:
    """An answer in another protocol."""
    await connection.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
    await connection.gone()


def _named(*shapes: Shape) -> Mapping[str, Shape]:
    return {shape.__name__.replace("_", "-"): shape for shape in shapes}


BEFORE = _named(
    *(reset, close, stall, no_http, endless_headers, html, not_streamed),
    *(status_400, status_429, status_500, status_503, kill, stop),
)
WITHIN = _named(
    *(reset, close, end, done, null_finish, abort_finish, error_finish, error, error_done),
    *(half_json, broken_json, half_character, no_chunk, http_500, long_line),
    *(stall, comments, empty_chunks, endless_drip, drip, other_choice, kill, stop),
)
AFTER = _named(reset, close, end, error_done, stall, done_twice, kill, stop)

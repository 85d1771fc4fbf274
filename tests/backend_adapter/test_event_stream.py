"""The ASGI response that carries a stream, where a network cannot provoke it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from scripted import eventually

from backend_adapter.api.record import Record
from backend_adapter.api.respond import EventStream
from backend_adapter.chat.encode import error_frame
from backend_adapter.errors import AdapterError, ClientLeftError

SCOPE: dict[str, Any] = {"type": "http"}


class Generated:
    """Frames from a generator, which are never pushed."""

    def __init__(self, generator: AsyncGenerator[bytes, None]) -> None:
        self._generator = generator

    async def read(self) -> bytes:
        return await anext(self._generator, b"")

    async def flow(self, write: Any) -> None:
        raise AssertionError("no server offered to push")

    def error(self, error: AdapterError) -> bytes:
        return error_frame(error.as_openai())

    async def close(self) -> None:
        await self._generator.aclose()


async def connected() -> dict[str, Any]:
    """A client that stays."""
    await asyncio.Event().wait()
    return {}


class Sent:
    """What the response sent."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def test_a_bug_within_a_stream_is_told_without_its_details():
    async def frames() -> AsyncGenerator[bytes, None]:
        yield b"data: 1\n\n"
        raise ZeroDivisionError("details")

    record, sent = Record("POST", "/"), Sent()
    await EventStream(Generated(frames()), record=record, keep_alive_s=60)(
        SCOPE, connected, sent.send
    )
    first, error = sent.body.decode().strip().split("\n\n")
    assert first == "data: 1"
    assert json.loads(error.removeprefix("data: "))["error"]["code"] == record.error
    assert record.error == "internal_error"
    assert "details" not in error
    assert sent.messages[-1]["more_body"] is False


async def test_an_error_before_the_first_frame_sends_nothing():
    async def frames() -> AsyncGenerator[bytes, None]:
        raise ZeroDivisionError
        yield b""

    sent = Sent()
    with pytest.raises(ZeroDivisionError):
        await EventStream(Generated(frames()), record=Record("POST", "/"), keep_alive_s=60)(
            SCOPE, connected, sent.send
        )
    assert not sent.messages


async def test_a_client_that_does_not_read_has_left():
    closed = asyncio.Event()

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
        finally:
            closed.set()

    async def stuck(message: Any) -> None:
        await asyncio.Event().wait()

    record = Record("POST", "/")
    stream = EventStream(Generated(frames()), record=record, keep_alive_s=60, write_timeout_s=0.05)
    await stream(SCOPE, connected, stuck)
    assert (record.status, record.error) == (499, "client_stuck")
    assert closed.is_set()


async def test_a_client_that_leaves_closes_the_frames_even_while_one_is_being_sent():
    closed, sending = asyncio.Event(), asyncio.Event()

    async def frames() -> AsyncGenerator[bytes, None]:
        try:
            yield b"data: 1\n\n"
        finally:
            closed.set()

    async def slow(message: Any) -> None:
        sending.set()
        await asyncio.Event().wait()

    async def leaves() -> dict[str, Any]:
        await sending.wait()
        return {"type": "http.disconnect"}

    record = Record("POST", "/")
    await EventStream(Generated(frames()), record=record, keep_alive_s=60)(SCOPE, leaves, slow)
    assert (record.status, record.error) == (499, "client_left")
    assert closed.is_set()


async def test_a_client_that_leaves_before_the_first_frame_is_an_error():
    async def frames() -> AsyncGenerator[bytes, None]:
        await asyncio.Event().wait()
        yield b""

    async def leaves() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(ClientLeftError):
        await EventStream(Generated(frames()), record=Record("POST", "/"), keep_alive_s=60)(
            SCOPE, leaves, Sent().send
        )


async def test_comments_keep_a_stream_alive_until_it_ends():
    go_on = asyncio.Event()

    async def frames() -> AsyncGenerator[bytes, None]:
        await go_on.wait()
        yield b"data: 1\n\n"

    sent = Sent()
    stream = EventStream(Generated(frames()), record=Record("POST", "/"), keep_alive_s=0.01)
    sending = asyncio.create_task(stream(SCOPE, connected, sent.send))
    await eventually(lambda: sent.body.count(b": keep-alive\n\n") >= 2)
    go_on.set()
    await sending
    assert sent.body.endswith(b"data: 1\n\n")
    assert [message["type"] for message in sent.messages].count("http.response.start") == 1

"""One HTTP/1.1 connection of an engine, with every way to misuse it."""

import asyncio
import json
import socket
import struct
from typing import Any


class Connection:
    """Answers one request after the other; `send` and what it is made of wait for the reader."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.over = False

    async def request(self) -> tuple[str, str, bytes] | None:
        """Method, path and body of the next request; None where none comes."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        method, path, *_ = head.decode().split(" ")
        length = 0
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        return method, path, await self._reader.readexactly(length)

    async def raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def begin(self, content_type: str = "text/event-stream") -> None:
        """The head of a response that is sent in chunks."""
        await self.raw(
            f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )

    async def chunk(self, data: bytes) -> None:
        """Bytes of the body."""
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def event(self, data: dict[str, Any] | str) -> None:
        """One server-sent event."""
        await self.chunk(event_bytes(data))

    async def end(self) -> None:
        """The body ends as it should."""
        await self.raw(b"0\r\n\r\n")

    async def whole(self, status: int, body: object, content_type: str, *headers: str) -> None:
        """A response in one piece."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = [f"HTTP/1.1 {status} Said", f"Content-Type: {content_type}", *headers]
        head.append(f"Content-Length: {len(data)}")
        await self.raw("\r\n".join(head).encode() + b"\r\n\r\n" + data)

    async def gone(self) -> None:
        """Wait until the other side has left."""
        while await self._reader.read(65536):
            pass
        self.over = True

    def close(self) -> None:
        """End the connection with a FIN."""
        self.over = True
        self._writer.close()

    def reset(self) -> None:
        """End the connection with an RST."""
        self.over = True
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def event_bytes(data: dict[str, Any] | str) -> bytes:
    """One server-sent event; JSON as engines write it, with its letters as they are."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()

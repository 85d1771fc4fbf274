"""HTTP/1.1 as far as an upstream needs it, made for streams: one wake-up for each piece that arrives.

Measured against aiohttp's client on the same streams (docs/benchmarks.md, "What was tried"); what it leaves
out on purpose: redirects, cookies, compression, proxies from the environment. Framing is llhttp's
(httptools), RFC 9112.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from time import monotonic
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from backend_adapter.upstreams.rounds import Rounds

# Servers built on uvicorn, vLLM among them, close a connection that is idle for 5 s; one that is just
# being closed must not be used again. In seconds.
_KEEP_IDLE_S = 4
_MAX_IDLE = 256
# An upstream sends a few hundred bytes of headers; more than this is an attack or no HTTP.
_MAX_HEADER_BYTES = 64 * 1024
# Reading pauses while this much waits to be taken.
_HIGH_WATER_BYTES = 256 * 1024
# How servers write the size of a chunk (RFC 9112, section 7.1), for those that a piece of an answer has.
_CHUNK_SIZES = {b"%x" % size: size for size in range(1, 1024)}
_REMEMBERED = frozenset({"content-type", "content-encoding", "retry-after"})


class HttpError(Exception):
    """The connection broke, or what came over it is not HTTP; the text never holds an address."""


class ConnectionLostError(HttpError):
    """The connection ended before the response was complete."""


class NoConnectionError(HttpError):
    """No connection could be made."""


class NotHttpError(HttpError):
    """What arrived is no HTTP/1.1 response."""


class Origin(NamedTuple):
    """Where a server listens."""

    secure: bool
    host: str
    port: int

    @property
    def header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


def split_url(url: str) -> tuple[Origin, str]:
    """The origin and the path of an absolute http or https address."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    origin = Origin(secure, parts.hostname or "", parts.port or (443 if secure else 80))
    return origin, parts.path.rstrip("/")


class Response(asyncio.Protocol):
    """One connection, and the response that it is bringing; `read` until it gives nothing.

    A deadline is a time of the event loop's clock. Moving it back costs nothing: one timer looks after it
    and is set anew only when it fires. `hurry` brings it forward.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, rounds: Rounds) -> None:
        self._loop = loop
        self._rounds = rounds
        self.waiting = 0
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self.closed = False
        self.idle_since = 0.0
        self.begin()

    def begin(self) -> None:
        """Make ready for a response on this connection."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.deadline = float("inf")
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._paused = False
        self._header_bytes = 0
        self._sink: Callable[[bytes], bool] | None = None
        self._in_body = False
        self._between_chunks = False
        self._until_close = False
        self._reusable = False

    # What uvloop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.waiting or (self._sink is not None and self._rounds.many):
            self._rounds.put_off(self, data)
        else:
            self.receive(data)

    def receive(self, data: bytes) -> None:
        """Read what the connection brought."""
        parser = self._parser
        if parser is None:
            return
        if self.complete:
            # Nobody asked for anything: whatever this is, no answer may be built on it.
            self.close()
            return
        if self._between_chunks and self._sink is not None:
            # Nearly everything that arrives is one chunk, which the parser need not see.
            size, _, rest = data.partition(b"\r\n")
            if _CHUNK_SIZES.get(size) == len(rest) - 2 and rest.endswith(b"\r\n"):
                self._hand_over(self._sink, rest[:-2])
                return
        if not self._in_body:
            self._header_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.complete:
                self._fail(NotHttpError(type(error).__name__))
            return
        self._between_chunks = self._between_chunks and data.endswith(b"\r\n")
        if not self._in_body and self._header_bytes > _MAX_HEADER_BYTES:
            self._fail(NotHttpError("its headers do not end"))
            return
        sink = self._sink
        if sink is None or not self._pieces:
            if sink is None or self.complete:
                self._wake()
            return
        pieces, self._pieces, self._buffered = self._pieces, [], 0
        self._hand_over(sink, pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _hand_over(self, sink: Callable[[bytes], bool], piece: bytes) -> None:
        try:
            more = sink(piece)
        except Exception as error:  # noqa: BLE001 - the next read raises it
            self._fail(error)
            return
        if not more or self.complete:
            self._sink = None
            self._wake()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting:
            self._rounds.go()
        self.closed = True
        if self._in_body and self._until_close and error is None:
            self.complete = True
            self._wake()
        elif not self.complete:
            self._fail(ConnectionLostError(type(error).__name__ if error else "closed"))

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        if key in _REMEMBERED:
            self.headers[key] = value.decode("latin-1")
        elif key in ("content-length", "transfer-encoding"):
            self.headers["framed"] = key

    def on_headers_complete(self) -> None:
        if self.complete:
            self._reusable = False
            return
        parser = self._parser
        if parser is None:
            return
        status = parser.get_status_code()
        if status < 200:
            self.headers.clear()
            return
        self.status = status
        self._in_body = True
        self._until_close = "framed" not in self.headers and status not in (204, 304)
        self._reusable = parser.should_keep_alive() and not self._until_close

    def on_body(self, piece: bytes) -> None:
        if self.complete:
            return
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > _HIGH_WATER_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_chunk_header(self) -> None:
        self._between_chunks = False

    def on_chunk_complete(self) -> None:
        self._between_chunks = True

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True

    # What the client does.

    def send(self, request: bytes) -> None:
        """Write a whole request."""
        if self._transport is None or self.closed:
            raise ConnectionLostError("closed")
        self._transport.write(request)

    async def head(self) -> None:
        """Wait for the status and the headers. Raises HttpError, and TimeoutError past the deadline."""
        while not self.status:
            await self._wait()

    async def read(self) -> bytes:
        """Whatever of the body has arrived; empty at its end.

        Raises HttpError where it breaks off, after all that came before, and TimeoutError.
        """
        while not self._pieces:
            if self.complete:
                return b""
            await self._wait()
        pieces = self._pieces
        piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._buffered = 0
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()
        return piece

    async def flow(self, sink: Callable[[bytes], bool]) -> None:
        """Hand each piece to `sink` in the very callback that brings it, without a task's wake-up for each.

        Returns when `sink` returns False, and when there is nothing more to hand over: the next `read`
        tells why. What `sink` raises is raised by that `read`.
        """
        if self._pieces or self.complete or self._error is not None:
            return
        self._sink = sink
        self._rounds.begins()
        try:
            await self._wait()
        except TimeoutError:
            pass
        finally:
            self._rounds.ends()
            self._sink = None

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        if self._timer is None and self.deadline != float("inf"):
            self._timer = self._loop.call_at(self.deadline, self._look_at_the_clock)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._wake()
        self.close()

    def _look_at_the_clock(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._loop.time() < self.deadline:
            self._timer = self._loop.call_at(self.deadline, self._look_at_the_clock)
        else:
            waiter.set_exception(TimeoutError())

    def hurry(self, deadline: float) -> None:
        """Bring the deadline forward."""
        self.deadline = deadline
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiter is not None:
            self._timer = self._loop.call_at(deadline, self._look_at_the_clock)

    def rest(self) -> bool:
        """Whether the connection can serve another request now; its timer ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return self.complete and self._reusable and not self.closed and not self._pieces

    def close(self) -> None:
        """End the connection at once; the server learns that nobody wants the rest."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        # The parser holds this object's methods: without it, no garbage is left for the collector.
        self._parser = None


class Connections:
    """Kept connections to every upstream, and the making of new ones."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Response]] = {}
        self._rounds = Rounds()
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    async def request(
        self,
        origin: Origin,
        head: bytes,
        body: bytes,
        *,
        connect_timeout_s: float,
        deadline: float,
    ) -> Response:
        """Send a request and wait for the head of its response; `release` it in the end.

        A kept connection that the server has closed meanwhile (llama.cpp does so after every stream,
        without announcing it) is replaced by a new one: that changes nothing at the server.

        Raises HttpError, and TimeoutError past the deadline.
        """
        kept = self._take(origin)
        if kept is not None:
            try:
                return await self._ask(kept, head + body, deadline)
            except ConnectionLostError:
                pass
        fresh = await self._connect(origin, min(connect_timeout_s, _left(deadline)))
        return await self._ask(fresh, head + body, deadline)

    async def _ask(self, response: Response, request: bytes, deadline: float) -> Response:
        try:
            response.deadline = deadline
            response.send(request)
            await response.head()
        except BaseException:
            response.close()
            raise
        return response

    async def _connect(self, origin: Origin, timeout_s: float) -> Response:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, response = await loop.create_connection(
                    lambda: Response(loop, self._rounds),
                    origin.host,
                    origin.port,
                    ssl=self._tls_context() if origin.secure else None,
                )
        except TimeoutError:
            raise NoConnectionError(f"no connection within {timeout_s:g} s") from None
        except (OSError, UnicodeError) as error:
            raise NoConnectionError(type(error).__name__) from None
        return response

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _take(self, origin: Origin) -> Response | None:
        idle = self._idle.get(origin)
        while idle:
            response = idle.pop()
            if not response.closed and monotonic() - response.idle_since < _KEEP_IDLE_S:
                response.begin()
                return response
            response.close()
        return None

    def release(self, origin: Origin, response: Response) -> None:
        """Keep the connection if its response is complete, else end it."""
        idle = self._idle.setdefault(origin, [])
        if response.rest() and len(idle) < _MAX_IDLE and not self._closed:
            response.idle_since = monotonic()
            idle.append(response)
        else:
            response.close()

    def close(self) -> None:
        """End every kept connection."""
        self._closed = True
        for idle in self._idle.values():
            for response in idle:
                response.close()
        self._idle.clear()


def _left(deadline: float) -> float:
    return max(0.0, deadline - asyncio.get_running_loop().time())


def build_head(
    method: str, origin: Origin, path: str, headers: Mapping[str, str], length: int | None
) -> bytes:
    """The head of a request; header values are plain ASCII, as the settings hold them to."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {origin.header}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")

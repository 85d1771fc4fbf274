"""A way for a stream to write to its connection at once: an extension of uvicorn's HTTP protocol.

ASGI's `send` is a coroutine, so that every chunk of every stream would have to wake a task. An application
finds the extension in its scope where the server offers it, and uses `send` where it does not.
"""

from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Its name among the scope's extensions.
PUSH = "hoheit.push"


class Push(Protocol):
    """Writes a piece of a response's body whose head has been sent.

    `written_at` is when it last did, by the event loop's clock.
    """

    written_at: float

    def write(self, piece: bytes) -> bool:
        """Write without waiting; False where the next piece has to wait for the client."""
        ...


class _Push:
    def __init__(self, protocol: "PushingProtocol", scope: Any) -> None:
        self._protocol = protocol
        self._scope = scope
        self._cycle: RequestResponseCycle | None = None
        self._time = protocol.loop.time
        self.written_at = 0.0

    def write(self, piece: bytes) -> bool:
        protocol = self._protocol
        cycle = self._cycle
        if cycle is None:
            # A client may send its next request before this one is answered.
            if protocol.cycle.scope is not self._scope:
                return False
            cycle = self._cycle = protocol.cycle
        transport = protocol.transport
        if cycle.disconnected or transport.is_closing():
            return False
        if cycle.chunked_encoding:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        transport.write(piece)
        self.written_at = self._time()
        return not protocol.flow.write_paused


class PushingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 on httptools, with the extension."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[Any, Any] = {PUSH: _Push(self, self.scope)}
        self.scope["extensions"] = extensions

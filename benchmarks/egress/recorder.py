"""A model's server that says what it is told to, and keeps every byte that it gets."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

MODEL = "recorded"
# So many characters come at once.
_PIECE = 5

Says = Callable[[dict[str, Any]], str]


class Recorder:
    """What came over the wire; `bodies` are the requests for an answer, as bytes."""

    def __init__(self, listener: socket.socket, says: Says) -> None:
        self._says = says
        self.bodies: list[bytes] = []
        self.port: int = listener.getsockname()[1]
        self._listener = listener

    def serve(self) -> None:
        """Answers until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connected, args=(connection,), daemon=True).start()

    def _connected(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            while head := _head(stream):
                length = next(
                    (
                        int(line[15:])
                        for line in head
                        if line.lower().startswith(b"content-length:")
                    ),
                    0,
                )
                body = stream.read(length)
                if head[0].startswith(b"GET"):
                    kind, reply = "application/json", _models()
                else:
                    self.bodies.append(body)
                    kind, reply = _answer(json.loads(body), self._says)
                connection.sendall(
                    f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(reply)}\r\n\r\n".encode()
                    + reply
                )


@contextmanager
def recording(says: Says = lambda body: "Gut.") -> Iterator[Recorder]:
    """A recorder on a free port of this machine; `says` answers a request."""
    listener = socket.create_server(("127.0.0.1", 0))
    recorder = Recorder(listener, says)
    threading.Thread(target=recorder.serve, daemon=True).start()
    try:
        yield recorder
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _head(stream: Any) -> list[bytes]:
    lines = []
    while line := stream.readline().rstrip(b"\r\n"):
        lines.append(line)
    return lines


def _models() -> bytes:
    return json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()


def _answer(asked: dict[str, Any], says: Says) -> tuple[str, bytes]:
    text = says(asked)
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    base = {"id": "r", "created": 1, "model": MODEL}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {**base, "object": "chat.completion", "choices": [choice], "usage": usage}
        return "application/json", json.dumps(whole).encode()
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    deltas: list[tuple[dict[str, str], str | None]] = [({"content": each}, None) for each in pieces]
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in [*deltas, ({}, "stop")]
    ]
    chunks.append({"choices": [], "usage": usage})
    said = {**base, "object": "chat.completion.chunk"}
    events = "".join(f"data: {json.dumps({**said, **each})}\n\n" for each in chunks)
    return "text/event-stream", f"{events}data: [DONE]\n\n".encode()

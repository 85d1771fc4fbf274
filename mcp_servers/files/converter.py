"""The server's side of the converting process."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from mcp_servers.errors import DocumentError
from mcp_servers.files.documents import FORMATS, Document, format_of

_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


class Converter:
    """Converts one document at a time in a process of its own, started on first use.

    A worker that crashes, hangs or runs out of memory costs one document; the next call starts
    another worker. Safe to use from several threads: they take turns.
    """

    def __init__(self, timeout_s: float, memory_mib: int) -> None:
        self._timeout = timeout_s
        self._memory = memory_mib
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def convert(self, path: str, file: BinaryIO) -> Document:
        """The document in an open file; `path` gives its name and format.

        Raises:
            DocumentError: unknown format, damaged, protected, too slow or too large to convert.
        """
        kind = format_of(path)
        if kind is None:
            raise DocumentError(
                f"{path} has a format that cannot be read.", f"Readable: {', '.join(FORMATS)}."
            )
        with self._lock:
            try:
                answer = self._ask(kind, PurePosixPath(path).stem, file)
                if "error" in answer:
                    raise DocumentError(f"{path} cannot be read: {answer['error']}.")
                return Document.from_json(answer["document"])
            except TimeoutError:
                self._stop()
                raise DocumentError(
                    f"{path} cannot be read: converting it took longer than {self._timeout:g} s."
                ) from None
            except (OSError, ValueError, KeyError, TypeError):
                self._stop()
                raise DocumentError(
                    f"{path} cannot be read: converting it failed, it is damaged or too large."
                ) from None

    def close(self) -> None:
        """End the process. A later call starts another."""
        with self._lock:
            self._stop()

    def abort(self) -> None:
        """End a running conversion, which then fails. May be called from any thread."""
        process = self._process
        if process is not None:
            process.kill()

    def _ask(self, kind: str, name: str, file: BinaryIO) -> dict[str, Any]:
        channel = self._connected()
        request = {"format": kind, "name": name, "seconds": self._timeout}
        deadline = time.monotonic() + self._timeout
        channel.settimeout(self._timeout)
        socket.send_fds(channel, [json.dumps(request).encode()], [file.fileno()])
        length = int.from_bytes(_receive(channel, 8, deadline), "big")
        if length > _MAX_ANSWER_BYTES:
            raise ValueError("answer too long")
        answer = json.loads(_receive(channel, length, deadline))
        if not isinstance(answer, dict):
            raise TypeError("answer is no object")
        return answer

    def _connected(self) -> socket.socket:
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        self._stop()
        ours, theirs = socket.socketpair()
        with theirs:
            # -P keeps the working directory, which may be a served folder, off the import path.
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "mcp_servers.files.worker"),
                    *(str(theirs.fileno()), str(self._memory)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._channel = ours
        return ours

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            self._process = None


def _receive(channel: socket.socket, count: int, deadline: float) -> bytes:
    """Exactly `count` bytes.

    Raises:
        TimeoutError: not all of them came in time.
        ConnectionError: the worker ended before.
    """
    data = bytearray()
    while len(data) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        piece = channel.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise ConnectionError("the worker ended")
        data += piece
    return bytes(data)

"""The converting process: `python -P -m mcp_servers.files.worker SOCKET MEMORY_MIB`.

A document from a shared folder can be made to hang or crash the code that parses it. So this
process does the parsing, with bounded memory, unable to write files, and killed by an alarm when
a document takes too long; the server only ever loses a worker. It gets open descriptors, never
paths, over the socket it was started with.

Request: one JSON line {"format", "name", "seconds"} with one descriptor attached. Answer: eight
bytes of length, then JSON, {"document": …} or {"error": reason}.
"""

import json
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

from mcp_servers.files.documents import Document
from mcp_servers.files.formats import Unreadable

Reader = Callable[[BinaryIO, str], Document]


def reader(kind: str) -> Reader:
    """The reader of a format. Imported on first use: a worker that only sees text stays small."""
    if kind in ("markdown", "text", "csv"):
        from mcp_servers.files.formats import text

        return {"markdown": text.read_markdown, "text": text.read_text, "csv": text.read_csv}[kind]
    if kind == "html":
        from mcp_servers.files.formats.web import read_html

        return read_html
    if kind == "pdf":
        from mcp_servers.files.formats.pdf import read_pdf

        return read_pdf
    from mcp_servers.files.formats import office

    return {"docx": office.read_docx, "xlsx": office.read_xlsx}[kind]


def convert(kind: str, name: str, file: BinaryIO) -> dict[str, Any]:
    """The answer for one document."""
    try:
        return {"document": reader(kind)(file, name).to_json()}
    except Unreadable as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "it needs more memory than a conversion may use"}
    except Exception as error:  # noqa: BLE001 - parsers of untrusted files raise anything
        return {"error": f"it is damaged ({type(error).__name__})"}


def main() -> None:
    """Answer requests until the server closes the socket."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    memory = int(sys.argv[2]) * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C reaches the whole group; the server ends its workers by closing their sockets.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # With the default action the alarm ends the process even inside a parser's C code, also
    # when the server itself is gone.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    warnings.simplefilter("ignore")
    while True:
        line, descriptors, _, _ = socket.recv_fds(channel, 65536, 1)
        if not line or not descriptors:
            return
        request = json.loads(line)
        signal.alarm(int(request["seconds"]) + 1)
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            answer = json.dumps(convert(request["format"], request["name"], file)).encode()
        signal.alarm(0)
        channel.sendall(len(answer).to_bytes(8, "big") + answer)


if __name__ == "__main__":
    main()

"""A deterministic engine: an OpenAI-compatible server of one model that fails as it is told.

    python -m benchmarks.faults.engine FOLDER

It forks one server for each line that it reads: a port, or 0 for any. For each it prints the port and the
process id; with its input's end all of them end. A base address is /ENGINE/MODEL/v1: the engine is one of
vllm, llama.cpp, openai, the model is whatever it is to list. FOLDER/N/faults holds, as JSON, the faults
that the requests of conversation N meet, one each, in their order; FOLDER/N/asked what was asked.
"""

import asyncio
import ctypes
import json
import os
import random
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.faults.asked import Asked, RefusedError, finish_reason, read
from benchmarks.faults.connection import Connection
from benchmarks.faults.model import END, TOKENS, WHOLE, Token, next_token
from benchmarks.faults.shapes import AFTER, BEFORE, WITHIN

# Between two tokens, in seconds: so that they arrive one by one.
_PACE_S = 0.001
# How long a fault waits for the client to have heard what came before it, in seconds.
_HEARD_S = 5.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PROGRESS_S = 0.005


class EngineServer:
    """Answers on one listening socket; `folder` is where the faults are told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, listening: socket.socket) -> None:
        """Answer until the process ends."""
        server = await asyncio.start_server(self._serve, sock=listening, limit=2**20, backlog=512)
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        with suppress(ConnectionError):
            while not connection.over and (request := await connection.request()) is not None:
                await self._answer(connection, *request)
        writer.close()

    async def _answer(self, connection: Connection, method: str, path: str, raw: bytes) -> None:
        _, engine, model, *rest = path.split("/")
        where = "/".join(rest)
        if where == "v1/models":
            return await connection.whole(200, {"data": [{"id": model}]}, "application/json")
        if where not in ("v1/chat/completions", "v1/completions", "detokenize"):
            return await connection.whole(404, {"detail": "Not Found"}, "application/json")
        body = json.loads(raw)
        if where == "detokenize" and engine == "vllm":
            text = b"".join(TOKENS[number] for number in body["tokens"]).decode(errors="replace")
            return await connection.whole(200, {"prompt": text}, "application/json")
        try:
            asked = read(engine, model, where.removeprefix("v1/"), body)  # type: ignore[arg-type]
        except RefusedError as error:
            refusal = {"error": {"message": str(error), "code": 400}}
            return await connection.whole(400, refusal, "application/json")
        return await self._stream(connection, asked)

    async def _stream(self, connection: Connection, asked: Asked) -> None:
        shape, at = self._fault(asked)
        if shape and at < 0:
            await BEFORE[shape](connection, asked.form)
            return
        await connection.begin()
        for chunk in asked.form.opening():
            await connection.event(chunk)
        said = list(asked.said)
        if asked.rest:
            await connection.event(asked.form.token(asked.rest))
            said += asked.script.positions[len(said)][:1]
        chance = None if asked.greedy else random.Random()
        end = len(asked.script.positions)
        while True:
            if shape and at <= len(said) < end:
                if at:
                    await self._heard(asked)
                if not await WITHIN[shape](connection, asked.form):
                    return
                shape = ""
            if reason := self._ended(asked, said):
                break
            token = next_token(asked.script, said, chance)
            said.append(token)
            if token != END:
                await connection.event(asked.form.token(token))
                await asyncio.sleep(_PACE_S)
        await connection.event(asked.form.finish(reason))
        if shape:
            await self._heard(asked)
            if not await AFTER[shape](connection, asked.form):
                return
        new = len(said) - len(asked.said)
        usage = {"prompt_tokens": len(asked.prompt), "completion_tokens": new}
        await connection.event({"choices": [], "usage": usage})
        for _ in range(2 if shape == "done-twice" else 1):
            await connection.event("[DONE]")
        await connection.end()

    def _ended(self, asked: Asked, said: list[Token]) -> str:
        if said and said[-1] == END:
            return finish_reason(asked.script, said)
        if asked.limit is not None and len(said) - len(asked.said) >= asked.limit:
            return "length"
        return ""

    def _fault(self, asked: Asked) -> tuple[str, int]:
        """The next fault of this conversation, and at which token; noted is what was asked."""
        folder = self._folder / str(asked.conversation)
        if not folder.is_dir():
            return "", 0
        shape, at = "", 0
        for number, (named, where) in enumerate(json.loads((folder / "faults").read_text())):
            with suppress(FileExistsError):
                (folder / f"taken-{number}").touch(exist_ok=False)
                # Faults are told by the tokens of a whole answer; here there are only the arguments.
                offset = WHOLE.marks["call"] if asked.way == "schema" else 0
                shape, at = named, where - offset
                break
        note: dict[str, Any] = {"way": asked.way, "said": len(asked.said), "shape": shape}
        note |= {"limit": asked.limit, "process": os.getpid()}
        with (folder / "asked").open("a") as asked_of:
            asked_of.write(json.dumps(note) + "\n")
        return shape, at

    async def _heard(self, asked: Asked) -> None:
        """Wait until the client has heard what came before."""
        told = self._folder / str(asked.conversation) / "heard"
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARD_S):
                while not told.exists():  # noqa: ASYNC110 - the file is another process's
                    await asyncio.sleep(_PROGRESS_S)


def _fork(port: int, folder: Path) -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", port), backlog=512) as listening:
        port = listening.getsockname()[1]
        process = os.fork()
        if process == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.close(sys.stdin.fileno())
            try:
                asyncio.run(EngineServer(folder).run(listening))
            finally:
                os._exit(1)
    return port, process


def main() -> None:
    """Fork servers as they are asked for."""
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while line := sys.stdin.readline():
        print(*_fork(int(line), folder), flush=True)


if __name__ == "__main__":
    main()

"""llama.cpp servers with the default weights as processes that a test can kill, stop and start again."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

import aiohttp

from backend_adapter.settings import UpstreamSettings

KEY = "key-of-the-engine"
MODEL = "smollm2-135m"
_RUN = """
import sys
from backend_adapter.embedded.server import serve
from backend_adapter.embedded.settings import EmbeddedSettings
serve(
    EmbeddedSettings(
        port=int(sys.argv[1]),
        api_key=sys.argv[2],
        model_id=sys.argv[3],
        threads=1,
        context_tokens=2048,
    )
)
"""


class LlamaServer:
    """One server on a port of its own, whose model is called `model`."""

    def __init__(self, model: str = MODEL) -> None:
        self._model = model
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(self.port), KEY, self._model],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    async def ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                assert self._process is not None and self._process.poll() is None
                try:
                    url = f"http://127.0.0.1:{self.port}/health"
                    async with session.get(url) as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    def upstream(self, name: str) -> UpstreamSettings:
        return UpstreamSettings(name=name, base_url=self.base_url, api_key=KEY, engine="llama.cpp")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


class Link:
    """The network between the adapter and a server: carries bytes until it is cut."""

    def __init__(self, server: LlamaServer) -> None:
        self._server = server
        self._transports: list[asyncio.BaseTransport] = []
        self.base_url = ""

    async def open(self) -> None:
        listening = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self._listening = listening
        self.base_url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"

    def upstream(self, name: str) -> UpstreamSettings:
        return UpstreamSettings(name=name, base_url=self.base_url, api_key=KEY, engine="llama.cpp")

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._server.port)
        self._transports += [writer.transport, back.transport]
        await asyncio.gather(_pump(reader, back), _pump(there, writer))
        for end in (writer, back):
            with suppress(OSError):
                await end.wait_closed()

    def cut(self) -> None:
        """Break every connection that it carries now; new ones get through."""
        for transport in self._transports:
            transport.abort()  # type: ignore[attr-defined]
        self._transports.clear()

    async def close(self) -> None:
        self._listening.close()
        self.cut()
        await asyncio.sleep(0)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

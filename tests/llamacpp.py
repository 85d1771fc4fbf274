"""llama.cpp servers with the default weights as processes that a test can kill, stop and start again."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

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
        context_tokens=int(sys.argv[4]),
    )
)
"""


class LlamaServer:
    """One server on a port of its own, whose model is called `model`; no answer is longer than its context."""

    def __init__(self, model: str = MODEL, context_tokens: int = 2048) -> None:
        self._model = model
        self._context_tokens = context_tokens
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _RUN, str(self.port), KEY),
                *(self._model, str(self._context_tokens)),
            ],
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

    def upstream(self, name: str, port: int | None = None) -> UpstreamSettings:
        """How the adapter reaches it, directly or by the port of a proxy."""
        base_url = self.base_url if port is None else f"http://127.0.0.1:{port}/v1"
        return UpstreamSettings(name=name, base_url=base_url, api_key=KEY, engine="llama.cpp")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

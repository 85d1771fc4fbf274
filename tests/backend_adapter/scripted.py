"""A scripted upstream and a running adapter, both real servers on free ports, and a client."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn
from aiohttp import web

from backend_adapter.api.push import PushingProtocol
from backend_adapter.app import create_app
from backend_adapter.settings import AdapterSettings
from backend_adapter.upstreams.capabilities import PROBE_TEXT

KEY = "the-key"
DEADLINE_S = 20

Script = Callable[["Turn"], Awaitable[None]]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict:
    """A chat chunk as an engine sends it."""
    choice = {"index": more.pop("index", 0), "delta": delta or {}, "finish_reason": finish}
    return {"id": "upstream-id", "object": "chat.completion.chunk", "choices": [choice], **more}


class Turn:
    """One request that the scripted upstream answers."""

    def __init__(self, request: web.Request, body: Any) -> None:
        self.request = request
        self.body = body
        self.heard = asyncio.Event()  # set by a test when its client has got what was sent so far
        self._response: web.StreamResponse | None = None

    async def begin(self, content_type: str = "text/event-stream") -> None:
        self._response = web.StreamResponse(headers={"Content-Type": content_type})
        await self._response.prepare(self.request)

    async def send(self, *data: dict[str, Any] | str | bytes) -> None:
        """Send each as one event: an object as JSON, a text as it is; bytes go out bare."""
        if self._response is None:
            await self.begin()
        assert self._response is not None
        for each in data:
            if isinstance(each, bytes):
                await self._response.write(each)
            else:
                text = each if isinstance(each, str) else json.dumps(each)
                await self._response.write(f"data: {text}\n\n".encode())

    def cut(self) -> None:
        """Break the connection without a word."""
        assert self.request.transport is not None
        self.request.transport.abort()

    async def say(self, *texts: str) -> None:
        """A whole, complete answer."""
        await self.send(*(chunk({"content": text}) for text in texts))
        await self.send(chunk(finish="stop"), usage(7, len(texts)), "[DONE]")


def is_probe(body: Any) -> bool:
    """Whether the adapter asks for a token to see whether it comes."""
    return (
        body.get("max_tokens") == 1 and body.get("messages", [{}])[0].get("content") == PROBE_TEXT
    )


def usage(prompt: int, completion: int) -> dict[str, Any]:
    return {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


class ScriptedUpstream:
    """An OpenAI-compatible server that answers as its test says."""

    def __init__(self) -> None:
        self.models = ["scripted"]
        self.script: Script = lambda turn: turn.say("Hello")
        self.turns: list[Turn] = []
        # The adapter's own requests for single tokens, and how they are answered.
        self.probes: list[Turn] = []
        self.probe_script: Script = lambda turn: turn.say("ok")
        self.aborted = 0
        # What GET /swarm tells; there is none where it is None.
        self.swarm: object = None
        # While it is set, GET /swarm waits for it to be unset again.
        self.swarm_busy = asyncio.Event()
        self.swarm_asked = 0
        # What GET /metrics says, and the status of GET /health, as of a vLLM server; there are none where None.
        self.figures: str | None = None
        self.health: int | None = None
        self.base_url = ""

    async def serve(self) -> web.AppRunner:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/swarm", self._swarm)
        app.router.add_get("/metrics", self._figures)
        app.router.add_get("/health", self._health)
        app.router.add_post("/v1/{path:.*}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": each, "event": "x"} for each in self.models]})

    async def _swarm(self, request: web.Request) -> web.Response:
        self.swarm_asked += 1
        while self.swarm_busy.is_set():
            await asyncio.sleep(0.01)
        if self.swarm is None:
            raise web.HTTPNotFound
        return web.json_response(self.swarm)

    async def _figures(self, request: web.Request) -> web.Response:
        if self.figures is None:
            raise web.HTTPNotFound
        return web.Response(text=self.figures)

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=self.health or 404)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        turn = Turn(request, await request.json())
        probing = is_probe(turn.body)
        (self.probes if probing else self.turns).append(turn)
        try:
            await (self.probe_script if probing else self.script)(turn)
        except (asyncio.CancelledError, ConnectionError):
            self.aborted += 1
            raise
        assert turn._response is not None
        return turn._response

    def refuse(self, status: int, body: str, content_type: str = "application/json") -> None:
        """Answer every request with an HTTP error."""

        async def refusal(turn: Turn) -> None:
            turn._response = web.Response(status=status, text=body, content_type=content_type)

        self.script = refusal


class RunningAdapter:
    """The adapter on a free port, in a thread of its own."""

    def __init__(self, settings: AdapterSettings) -> None:
        self.app = create_app(settings)
        config = uvicorn.Config(
            self.app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            loop="uvloop",
            http=PushingProtocol,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + DEADLINE_S
        while not self._server.started:
            assert self._thread.is_alive() and time.monotonic() < deadline
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


StartAdapter = Callable[..., RunningAdapter]


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Client:
    """A plain HTTP client of the adapter."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    @asynccontextmanager
    async def stream(
        self, adapter: RunningAdapter, path: str, body: Any, **more_headers: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {KEY}", **_header_names(more_headers)}
        async with self.session.post(adapter.url + path, data=data, headers=headers) as response:
            yield response

    async def post(
        self, adapter: RunningAdapter, path: str, body: Any, **more_headers: str
    ) -> "Reply":
        """`more_headers` are written as Python writes names: x_hoheit_chat_id."""
        async with self.stream(adapter, path, body, **more_headers) as response:
            return Reply(response.status, response.headers, await response.text())

    async def get(self, adapter: RunningAdapter, path: str, key: str | None = KEY) -> "Reply":
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with self.session.get(adapter.url + path, headers=headers) as response:
            return Reply(response.status, response.headers, await response.text())


class Reply:
    """What came back, whole."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> dict[str, Any]:
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    @property
    def frames(self) -> list[Any]:
        """The data of every event of a stream, [DONE] as a text."""
        lines = [line for line in self.text.split("\n\n") if line.startswith("data: ")]
        data = [line.removeprefix("data: ") for line in lines]
        return [each if each == "[DONE]" else json.loads(each) for each in data]

    @property
    def deltas(self) -> list[dict[str, Any]]:
        """The deltas of the first choice, in order."""
        chunks = [frame for frame in self.frames if frame != "[DONE]" and frame.get("choices")]
        return [each["choices"][0]["delta"] for each in chunks]


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until it holds, up to a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.01)


def ask(text: str = "Hi", **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": "scripted", "messages": [{"role": "user", "content": text}], **more}


StartAdapter = Callable[..., RunningAdapter]

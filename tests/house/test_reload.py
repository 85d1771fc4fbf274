"""`hoheit adapter` takes a changed settings file over while it runs."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

KEY = "k" * 20
ADMIN = "a" * 20


async def server(say: str, gate: asyncio.Event) -> tuple[web.AppRunner, str]:
    """An upstream that says a word, waits for the gate, and says another."""

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m"}]})

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number, word in enumerate((say, " end")):
            if number and body.get("max_tokens") != 1:
                await gate.wait()
            chunk = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        chunk = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await response.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
        return response

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"


class Adapter:
    """The adapter as its own command runs it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "hoheit.toml"
        self.log = folder / "adapter.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder

    def write(self, *upstreams: tuple[str, str], more: str = "") -> None:
        tables = "".join(
            f'\n[[adapter.upstreams]]\nname = "{name}"\nbase_url = "{url}"\n'
            for name, url in upstreams
        )
        self.file.write_text(
            f'[embedded]\nenabled = false\n[adapter]\nport = {self.port}\napi_key = "{KEY}"\n'
            f'admin_key = "{ADMIN}"\ncatalogue_refresh_s = 0.2\n{more}{tables}'
        )

    def start(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HOHEIT_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hoheit", "adapter"],
                env={**environment, "HOHEIT_HOME": str(self.folder)},
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
def adapter(tmp_path: Path) -> Any:
    started = Adapter(tmp_path)
    yield started
    started.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as opened:
        yield opened


async def ready(session: aiohttp.ClientSession, adapter: Adapter, *names: str) -> None:
    """Wait until just these upstreams are there, and ready."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with session.get(f"{adapter.url}/ready") as response:
                    if (await response.json())["upstreams"] == dict.fromkeys(names, "ready"):
                        return
            except aiohttp.ClientError:
                assert adapter.process.poll() is None, adapter.log.read_text()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("hang_up", [False, True], ids=["file", "SIGHUP"])
async def test_a_changed_settings_file_is_taken_over_and_no_stream_breaks(
    adapter: Adapter, session: aiohttp.ClientSession, hang_up: bool
):
    gate = asyncio.Event()
    old, old_url = await server("old", gate)
    new, new_url = await server("new", gate)
    adapter.write(("before", old_url))
    adapter.start()
    await ready(session, adapter, "before")
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "?"}]}
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{adapter.url}/v1/chat/completions"
    async with session.post(url, json=body, headers=headers) as streaming:
        assert b"old" in await streaming.content.readuntil(b"\n\n")
        adapter.write(("after", new_url))
        if hang_up:
            adapter.process.send_signal(signal.SIGHUP)
        await ready(session, adapter, "after")
        gate.set()
        rest = (await streaming.content.read()).decode()
    assert " end" in rest
    assert rest.endswith("data: [DONE]\n\n")
    async with session.post(url, json={**body, "stream": False}, headers=headers) as response:
        assert (await response.json())["choices"][0]["message"]["content"] == "new end"
    for runner in (old, new):
        await runner.cleanup()


async def test_a_settings_file_that_cannot_be_used_changes_nothing(
    adapter: Adapter, session: aiohttp.ClientSession
):
    gate = asyncio.Event()
    gate.set()
    runner, url = await server("here", gate)
    adapter.write(("only", url))
    adapter.start()
    await ready(session, adapter, "only")
    adapter.write(("only", url), more="stall_timeout_s = -1\n")
    async with asyncio.timeout(20):
        while "stall_timeout_s" not in adapter.log.read_text():
            await asyncio.sleep(0.05)
    await ready(session, adapter, "only")
    adapter.write(("only", url), more="max_request_bytes = 10\n")
    async with asyncio.timeout(20):
        while True:
            async with session.post(
                f"{adapter.url}/v1/chat/completions",
                json={"model": "m", "messages": []},
                headers={"Authorization": f"Bearer {KEY}"},
            ) as response:
                if response.status == 413:
                    break
            await asyncio.sleep(0.05)
    await runner.cleanup()


async def test_an_operator_adds_drains_and_removes_an_upstream_while_it_runs(
    adapter: Adapter, session: aiohttp.ClientSession
):
    gate = asyncio.Event()
    first, first_url = await server("first", gate)
    second, second_url = await server("second", gate)
    adapter.write(("one", first_url))
    adapter.start()
    await ready(session, adapter, "one")
    topology = f"{adapter.url}/v1/topology"
    admin = {"Authorization": f"Bearer {ADMIN}"}
    added = {"name": "two", "base_url": second_url, "site": "Elsewhere"}
    async with session.post(topology, json=added, headers=admin) as response:
        assert response.status == 201
    await ready(session, adapter, "one", "two")
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "?"}]}
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{adapter.url}/v1/chat/completions"
    async with session.post(f"{topology}/one/drain", headers=admin) as response:
        assert response.status == 200
    async with session.post(url, json=body, headers=headers) as streaming:
        assert b"second" in await streaming.content.readuntil(b"\n\n")
        async with session.post(f"{topology}/one/resume", headers=admin) as response:
            assert response.status == 200
        async with session.delete(f"{topology}/two", headers=admin) as response:
            [left] = (await response.json())["upstreams"]
        assert left["name"] == "one"
        gate.set()
        assert (await streaming.content.read()).endswith(b"data: [DONE]\n\n")
    async with session.post(topology, json=added, headers=headers) as response:
        assert response.status == 401
    async with session.post(topology, json={"name": "x"}, headers=admin) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "base_url")
    async with session.delete(f"{topology}/nobody", headers=admin) as response:
        assert response.status == 404
    for runner in (first, second):
        await runner.cleanup()

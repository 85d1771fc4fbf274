"""`hoheit vllm check` on servers that answer as vLLM does, and on such as do not."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from backend_adapter.vllm.check import Finding, Target, examine, layout_of

METRICS = (Path(__file__).parent / "recorded" / "vllm_metrics.txt").read_text()
KEY = "key-of-the-server"


class Vllm:
    """What one server tells; a test changes it before it asks."""

    def __init__(self) -> None:
        self.version: dict[str, str] | None = {"version": "0.32.0"}
        self.health = 200
        self.completion = 200
        self.tools = 200
        self.fingerprint = "vllm-0.32.0-pp2-7cf1f55a"
        self.metrics = METRICS
        self.base_url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Vllm"]:
        app = web.Application()
        app.router.add_get("/version", self._version)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.base_url = f"http://{host}:{port}/v1"
            yield self
        finally:
            await runner.cleanup()

    async def examine(self, layout: str | None = None, key: str | None = KEY) -> list[Finding]:
        return await examine(Target("one", self.base_url, key, layout))

    async def _version(self, _: web.Request) -> web.Response:
        if self.version is None:
            raise web.HTTPNotFound
        return web.json_response(self.version)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=self.health)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self.metrics)

    async def _models(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise web.HTTPUnauthorized
        return web.json_response({"data": [{"id": "smol", "max_model_len": 2048}]})

    async def _chat(self, request: web.Request) -> web.Response:
        status = self.tools if "tools" in await request.json() else self.completion
        return web.json_response({"system_fingerprint": self.fingerprint}, status=status)


def worst(findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.verdict != "ok"]


async def test_a_server_that_is_well_is_said_to_be_with_its_figures() -> None:
    async with Vllm().running() as server:
        findings = await server.examine("pp2")

    assert worst(findings) == []
    said = " · ".join(each.found for each in findings)
    assert "vLLM 0.32.0" in said
    assert "smol answers" in said
    assert "(pp2)" in said
    assert "tokens; one chat may have 2,048" in said


async def test_another_layout_than_the_expected_one_is_a_fault() -> None:
    async with Vllm().running() as server:
        (fault,) = worst(await server.examine("tp2-pp2"))

    assert fault.verdict == "fault"
    assert "pp2 instead of tp2-pp2" in fault.found


async def test_a_dead_engine_is_a_fault_although_the_server_answers() -> None:
    server = Vllm()
    server.health, server.completion = 503, 500
    async with server.running():
        health, completion = worst(await server.examine())

    assert "/health answers 503" in health.found
    assert "answers 500" in completion.found
    assert "start" in completion.remedy


async def test_a_server_without_a_tool_parser_is_a_warning_with_the_flag_to_set() -> None:
    server = Vllm()
    server.tools = 400
    async with server.running():
        (warning,) = worst(await server.examine())

    assert warning.verdict == "warning"
    assert "--enable-auto-tool-choice" in warning.remedy


async def test_a_wrong_key_is_named_as_the_fault() -> None:
    async with Vllm().running() as server:
        (fault,) = worst(await server.examine(key="another"))

    assert "wants another key" in fault.found


async def test_another_version_is_a_warning() -> None:
    server = Vllm()
    server.version = {"version": "0.40.1"}
    async with server.running():
        (warning,) = worst(await server.examine())

    assert "0.40.1" in warning.found


async def test_what_is_no_vllm_is_told_from_one() -> None:
    server = Vllm()
    server.version = None
    async with server.running():
        (fault,) = await server.examine()

    assert "is no vLLM server" in fault.found


async def test_a_server_that_cannot_be_reached_is_one_fault() -> None:
    (fault,) = await examine(Target("one", "http://127.0.0.1:9/v1"))

    assert "cannot be reached" in fault.found


async def test_little_room_is_a_warning() -> None:
    server = Vllm()
    server.metrics = re.sub(r'kv_cache_size_tokens="\d+"', 'kv_cache_size_tokens="3000"', METRICS)
    async with server.running():
        (warning,) = worst(await server.examine())

    assert "3,000 tokens" in warning.found


def test_the_layout_is_read_out_of_the_fingerprint() -> None:
    assert layout_of("vllm-0.32.0-7cf1f55a") == ""
    assert layout_of("vllm-0.32.0-tp2-pp2-7cf1f55a") == "tp2-pp2"
    assert layout_of("vllm-0.32.0-dp8-ep-7cf1f55a") == "dp8-ep"
    assert layout_of("") == ""

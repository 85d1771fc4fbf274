"""Calls the functions about the egress boundary as Open WebUI does, before a real HTTP server."""

from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.open_webui.scripted_adapter import ScriptedAdapter
from webui_pipelines.functions import hoheit_filter, hoheit_on_site

SECRET = "test-only-user-jwt-secret-of-40-characters"

USER = {"id": "user-1", "email": "a@site.example"}

OTHER = {"id": "user-2", "email": "b@site.example"}

ENGLISH, GERMAN = hoheit_filter._WORDS["en"], hoheit_filter._WORDS["de"]

OURS = {"id": "m", "info": {"meta": {"hoheit": {}}}}


def pointed(function: Any, adapter: ScriptedAdapter | str, **valves: Any) -> Any:
    """The function as provisioning leaves it."""
    url = adapter if isinstance(adapter, str) else adapter.base_url
    function.valves = function.Valves(adapter_url=url, adapter_key="key", **valves)
    return function


def metadata(chat: str, language: str = "en-US", **more: Any) -> dict[str, Any]:
    return {
        "chat_id": chat,
        "message_id": "message",
        "variables": {"{{USER_LANGUAGE}}": language},
        **more,
    }


@dataclass
class Page:
    """What a function does to the page; `says` is what comes back from it."""

    says: Any = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    shown: list[dict[str, Any]] = field(default_factory=list)

    async def call(self, event: dict[str, Any]) -> Any:
        self.asked.append(event)
        return self.says

    async def emit(self, event: dict[str, Any]) -> None:
        self.shown.append(event)


@dataclass
class OneAnswer:
    """Answers every request alike."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)
    base_url: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=self.status, text=self.text, headers=self.headers)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


BAD_ANSWERS = [
    OneAnswer(500, '{"error":{"message":"no"}}'),
    OneAnswer(200, "not json"),
    OneAnswer(200, "[" * 100_000),
    OneAnswer(200, "[]"),
    OneAnswer(200, "{}"),
    OneAnswer(200, '{"data":[1],"on_site":1}'),
    OneAnswer(307, "", {"Location": "http://127.0.0.1:9/"}),
]


def receipt(**changes: Any) -> dict[str, Any]:
    return {
        "seq": 1,
        "time": "2026-11-27T12:00:00.000Z",
        "task": "",
        "model": "m",
        "destination": "cluster",
        "site": "Lyon",
        "trust": "partner",
        "action": "pseudonymise",
        "policy": "policy.yaml:7",
        "data_class": "internal",
        "passages": {},
        "counts": {},
        **changes,
    }


async def lines_of(
    adapter: ScriptedAdapter | str,
    model: Any = OURS,
    adapter_timeout_s: float = 2.0,
    **about: Any,
) -> list[str]:
    page = Page()
    body = {"messages": [{"role": "assistant", "content": "an answer"}]}
    function = pointed(hoheit_filter.Filter(), adapter, adapter_timeout_s=adapter_timeout_s)
    after = await function.outlet(body, USER, metadata(**about), model, page.emit)
    assert after == body
    return [event["data"]["description"] for event in page.shown]


async def switch_on(adapter: ScriptedAdapter | str, about: dict[str, Any], **valves: Any) -> Any:
    function = pointed(hoheit_on_site.Filter(), adapter, **valves)
    return await function.inlet({"messages": []}, USER, about)


async def send(
    adapter: ScriptedAdapter, chat: str, text: str, message: str = "message", task: str = ""
) -> None:
    """A request as Open WebUI's connection sends it, on behalf of the user."""
    headers = {
        "Authorization": "Bearer key",
        "X-Hoheit-Chat-Id": chat,
        "X-Hoheit-Message-Id": message,
        "X-Hoheit-Task": task,
        **hoheit_filter._signed(USER),
    }
    body = {"model": "scripted", "messages": [{"role": "user", "content": text}], "stream": False}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{adapter.base_url}/chat/completions", json=body, headers=headers) as answer,
    ):
        assert answer.status == 200

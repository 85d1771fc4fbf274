"""An OpenAI-compatible server that answers by a script, so that a test can say what must appear.

With a tool on offer whose name ends in `_search`: it thinks, says a sentence, calls that tool, and after
the result thinks again and answers with the result in the text. Words in the last user message choose
otherwise:

    NOTOOL   answer at once
    QUERY    what follows is SQL, and the tool whose name ends in `_query` is called with it
    FAIL     HTTP 503 with an OpenAI error object
    BREAK    the connection ends in mid-answer, without [DONE]
    EVENT    chunks carry an `event` object (a script for the browser) and a `selected_model_id`; one is a
             note as the adapter makes them
    ENDLESS  words until the client leaves
"""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

JsonObject = dict[str, Any]
THOUGHT = "The person asks about the site, so I look into its documents first."
SECOND_THOUGHT = "The documents answer it."
BEFORE_TOOL = "I look that up. "
TITLE = "A scripted title"
QUESTION = "opening hours"
USAGE = {"prompt_tokens": 111, "completion_tokens": 22, "total_tokens": 133}
NOTE = "north broke off, south goes on; nothing is missing."
SCRIPT = "document.title = 'script ran'"


@dataclass
class Seen:
    """One request as it arrived."""

    headers: dict[str, str]
    body: JsonObject

    @property
    def task(self) -> str:
        return self.headers.get("X-Hoheit-Task", "")

    @property
    def tools(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools") or []]


@dataclass
class ScriptedUpstream:
    """Serves `models` under `key`; `pace_s` is the pause between two chunks."""

    key: str
    models: tuple[str, ...] = ("scripted",)
    pace_s: float = 0.0
    seen: list[Seen] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    address: str = ""
    _runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        return f"{self.address}/v1"

    def application(self) -> web.Application:
        """The routes; a subclass may add to them."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self.chat)
        return app

    async def start(self) -> None:
        app = self.application()
        # A leaving client cancels its handler, as the adapter would notice it.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        self._require_key(request)
        listed = [{"id": name, "object": "model", "owned_by": "script"} for name in self.models]
        return web.json_response({"object": "list", "data": listed})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answers one request of a chat or of a task."""
        self._require_key(request)
        body = await request.json()
        self.seen.append(Seen(dict(request.headers), body))
        words = _last_user_text(body)
        if "FAIL" in words:
            error = {"message": "the script refuses", "type": "server_error", "code": "scripted"}
            return web.json_response({"error": error}, status=503)
        if not body.get("stream"):
            return web.json_response(_task_answer(body))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            async for chunk in self._chunks(body, words):
                await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                await asyncio.sleep(self.pace_s)
            if "BREAK" not in words:
                await response.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        if "BREAK" in words and request.transport is not None:
            # Long enough for the client to have read what came before.
            await asyncio.sleep(0.5)
            request.transport.close()
        return response

    async def _chunks(self, body: JsonObject, words: str) -> AsyncIterator[JsonObject]:
        model = body["model"]
        _, wants_query, sql = words.partition("QUERY ")
        wanted = "_query" if wants_query else "_search"
        # The page's editor sets quotation marks as printers do.
        arguments = (
            {"database": "lindenau", "sql": sql.replace("’", "'")}
            if wants_query
            else {"query": QUESTION}
        )
        search = next((t for t in Seen({}, body).tools if t.endswith(wanted)), None)
        results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        if "EVENT" in words:
            yield {"event": {"type": "execute", "data": {"code": SCRIPT}}}
            yield {"event": {"type": "status", "data": {"description": NOTE, "done": True}}}
            # Like a note, but with more to it.
            told = {"description": "from the upstream", "done": True}
            yield {"event": {"type": "status", "data": {**told, "urls": ["https://a.example"]}}}
            yield {
                **_chunk(model, {"content": "Harmless. "}),
                "event": {"type": "status", "data": {"description": "from the upstream"}},
                "selected_model_id": "another-model",
            }
        while "ENDLESS" in words:
            yield _chunk(model, {"content": "word "})
            await asyncio.sleep(0.02)
        for word in (SECOND_THOUGHT if results else THOUGHT).split():
            yield _chunk(model, {"reasoning_content": word + " "})
        if search and not results and "NOTOOL" not in words:
            for chunk in _tool_call(model, search, arguments):
                yield chunk
        else:
            answer = f"The site says: {results[-1]}" if results else "Answered without a tool."
            for word in answer.split(" "):
                yield _chunk(model, {"content": word + " "})
            if "BREAK" in words:
                return
            yield _chunk(model, {}, "stop")
        yield {**_chunk(model, {}), "choices": [], "usage": USAGE}

    def _require_key(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise web.HTTPUnauthorized(
                text=json.dumps({"error": {"message": "wrong key"}}),
                content_type="application/json",
            )


def _tool_call(model: str, name: str, given: JsonObject) -> list[JsonObject]:
    arguments = json.dumps(given)
    half = len(arguments) // 2
    call = {"index": 0, "id": "call_1", "type": "function"}
    return [
        _chunk(model, {"content": BEFORE_TOOL}),
        _chunk(model, {"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]}),
        *(
            _chunk(model, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
            for piece in (arguments[:half], arguments[half:])
        ),
        _chunk(model, {}, "tool_calls"),
    ]


def _chunk(model: str, delta: JsonObject, finish: str | None = None) -> JsonObject:
    return {
        "id": "chatcmpl-script",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _task_answer(body: JsonObject) -> JsonObject:
    message = {"role": "assistant", "content": json.dumps({"title": TITLE})}
    return {
        "id": "chatcmpl-script",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }


def _last_user_text(body: JsonObject) -> str:
    content = next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), "")
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return str(content)

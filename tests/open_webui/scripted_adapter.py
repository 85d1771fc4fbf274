"""The scripted model with what the adapter tells about a chat: receipts, what was sent, and the switch.

It stands where the adapter stands and forwards nothing: its own answer is "what was sent". One name is on
its list, and leaves as a pseudonym. Who asks is told by the adapter's own code.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from backend_adapter.api.identity import USER_HEADER, Identity
from backend_adapter.errors import AdapterError
from backend_adapter.settings import AdapterSettings
from tests.open_webui.scripted_upstream import ScriptedUpstream

JsonObject = dict[str, Any]
NAME, PSEUDONYM = "Jörg Weißmüller", "Person-K7Q"
# Shorter than a pseudonym and its beginning, to see which one is marked.
SHORT = "Person-K7"


@dataclass
class ScriptedAdapter(ScriptedUpstream):
    """`order` is what came in, in order: "chat", "switch on", "switch off" or the name of a task."""

    user_jwt_secret: str = ""
    order: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    away: bool = False
    receipts: dict[str, list[tuple[str, JsonObject]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    bodies: dict[int, str] = field(default_factory=dict)

    def application(self) -> web.Application:
        app = super().application()
        app.router.add_get("/v1/site/receipts", self._receipts)
        app.router.add_get("/v1/site/receipts/{seq}/body", self._body)
        app.router.add_get("/v1/site/chats/{chat}", self._switch)
        app.router.add_put("/v1/site/chats/{chat}", self._switch)
        return app

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self._note(request, body)
        return await super().chat(request)

    def _note(self, request: web.Request, body: JsonObject) -> None:
        chat, task = (
            request.headers.get("X-Hoheit-Chat-Id", ""),
            request.headers.get("X-Hoheit-Task", ""),
        )
        self.order.append(task or "chat")
        on_site = chat in self.kept
        sent = json.dumps(body, ensure_ascii=False).replace(NAME, PSEUDONYM)
        results = sum(message["role"] == "tool" for message in body["messages"])
        seq = sum(map(len, self.receipts.values())) + 1
        found = sent.count(PSEUDONYM)
        receipt = {
            "seq": seq,
            "time": "2026-11-27T12:00:00.000Z",
            "chat": chat,
            "message": request.headers.get("X-Hoheit-Message-Id", ""),
            "task": task,
            "model": body["model"],
            "destination": "embedded" if on_site else "cluster",
            "site": "" if on_site else "Lyon",
            "trust": "site" if on_site else "partner",
            "action": "on_site" if on_site else "pseudonymise",
            "policy": "the chat's own switch" if on_site else "policy.yaml:7",
            "data_class": "internal",
            "passages": {"files/oeffentlich": results} if results else {},
            "counts": {"listed": found} if found else {},
            "bytes": 0 if on_site else len(sent.encode()),
            "body_sha256": "" if on_site else hashlib.sha256(sent.encode()).hexdigest(),
        }
        self.receipts[self._user(request)].append((chat, receipt))
        if not on_site:
            self.bodies[seq] = sent

    def _user(self, request: web.Request) -> str:
        settings = AdapterSettings(
            api_key=SecretStr(self.key), user_jwt_secret=SecretStr(self.user_jwt_secret)
        )
        headers = request.headers
        try:
            caller = Identity(settings).caller(
                headers.get("Authorization", ""), headers.get(USER_HEADER)
            )
        except AdapterError as error:
            raise web.HTTPUnauthorized(text=str(error)) from error
        return caller.user

    async def _receipts(self, request: web.Request) -> web.Response:
        if self.away:
            raise web.HTTPServiceUnavailable
        message = request.query.get("message")
        found = [
            receipt
            for chat, receipt in self.receipts[self._user(request)]
            if chat == request.query["chat"] and message in (None, receipt["message"])
        ]
        return web.json_response({"object": "list", "data": found})

    async def _body(self, request: web.Request) -> web.Response:
        seq = int(request.match_info["seq"])
        own = any(receipt["seq"] == seq for _, receipt in self.receipts[self._user(request)])
        if not own or seq not in self.bodies:
            raise web.HTTPNotFound
        # The request stands in the answer as it was sent, byte for byte.
        rest = {
            "kept_until": "2026-12-27T12:00:00.000Z",
            "pseudonyms": [SHORT, PSEUDONYM],
        }
        text = f'{{"seq":{seq},"body":{self.bodies[seq]},{json.dumps(rest)[1:]}'
        return web.Response(text=text, content_type="application/json")

    async def _switch(self, request: web.Request) -> web.Response:
        if self.away:
            raise web.HTTPServiceUnavailable
        self._user(request)
        chat = request.match_info["chat"]
        if request.method == "PUT":
            on_site = (await request.json())["on_site"]
            self.order.append("switch on" if on_site else "switch off")
            (self.kept.add if on_site else self.kept.discard)(chat)
        return web.json_response({"on_site": chat in self.kept})

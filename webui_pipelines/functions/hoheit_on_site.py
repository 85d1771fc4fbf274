"""
title: Stays on site · Bleibt im Haus
author: Hoheit contributors
version: 0.1.0
license: Apache-2.0
required_open_webui_version: 0.12.0
description: Only the site's own model answers this chat. · Nur ein Modell im Haus beantwortet diesen Chat.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, Field

_ICON = (
    "data:image/svg+xml;base64,"
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCIgZmls"
    "bD0ibm9uZSIgc3Ryb2tlPSJjdXJyZW50Q29sb3IiIHN0cm9rZS13aWR0aD0iMS43NSIgc3Ryb2tlLWxpbmVj"
    "YXA9InJvdW5kIiBzdHJva2UtbGluZWpvaW49InJvdW5kIj48cGF0aCBkPSJNMyAxMS41IDEyIDRsOSA3LjUi"
    "Lz48cGF0aCBkPSJNNS41IDEwdjkuNWgxM1YxMCIvPjxyZWN0IHg9IjkuNSIgeT0iMTMuNSIgd2lkdGg9IjUi"
    "IGhlaWdodD0iNCIgcng9Ii42Ii8+PHBhdGggZD0iTTEwLjUgMTMuNXYtMWExLjUgMS41IDAgMCAxIDMgMHYx"
    "Ii8+PC9zdmc+"
)

_WORDS = {
    "en": {
        "no chat": "“Stays on site” needs a chat that has an id. Nothing was sent.",
        "unsure": "This chat is to stay on site, and the site's adapter cannot be told so ({reason}). "
        "Nothing was sent. Try again, or ask the people who run this site.",
    },
    "de": {
        "no chat": "„Bleibt im Haus“ braucht einen Chat mit einer Kennung. Nichts wurde gesendet.",
        "unsure": "Dieser Chat soll im Haus bleiben, und dem Adapter des Hauses lässt sich das nicht sagen "
        "({reason}). Nichts wurde gesendet. Versuchen Sie es noch einmal, oder fragen Sie die Stelle, die "
        "Hoheit hier betreibt.",
    },
}


class NotOnSiteError(Exception):
    """That the chat stays on site cannot be made sure; Open WebUI shows the text and sends nothing."""


class Filter:
    """A switch that people turn on for a chat. It tells the adapter, which then lets nothing of it leave.

    Switched off again, the function "Hoheit Status" asks whether the chat may leave the site: Open WebUI
    does not run a filter whose switch is off.
    """

    class Valves(BaseModel):
        priority: int = Field(-100, description="Order among filters; lower runs first.")
        adapter_url: str = Field(
            "http://127.0.0.1:8081/v1", description="Address of the adapter, ending in /v1."
        )
        adapter_key: str = Field(
            "",
            description="API key of the adapter.",
            json_schema_extra={"input": {"type": "password"}},
        )
        adapter_timeout_s: float = Field(
            5.0, gt=0, description="Seconds to wait for the adapter's answer."
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        # These two make it a switch in the message box.
        self.toggle = True
        self.icon = _ICON

    async def inlet(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __metadata__: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Before anything of a message is sent: the chat stays on site, or the message fails.

        Raises NotOnSiteError.
        """
        metadata = __metadata__ or {}
        words = _words(metadata)
        chat = str(metadata.get("chat_id") or "")
        if not chat:
            raise NotOnSiteError(words["no chat"])
        path = f"site/chats/{quote(chat, safe='')}"
        try:
            answer = await _ask(self.valves, __user__, "PUT", path, {"on_site": True})
            if answer.get("on_site") is not True:
                raise AdapterError("it does not agree")
        except AdapterError as error:
            raise NotOnSiteError(words["unsure"].format(reason=error)) from error
        return body


def _words(metadata: dict[str, Any]) -> dict[str, str]:
    language = str((metadata.get("variables") or {}).get("{{USER_LANGUAGE}}") or "")
    return _WORDS["de" if language.lower().startswith("de") else "en"]


# What follows is the same in every function that asks the adapter: Open WebUI loads each file alone.


class AdapterError(Exception):
    """The adapter did not answer as it should; `status` is its HTTP status, 0 where there was none."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status


async def _ask(
    valves: Any,
    user: dict[str, Any] | None,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The adapter's answer to a question about what leaves this site, asked as `user`.

    Raises AdapterError.
    """
    return _object(await _ask_text(valves, user, method, path, body))


async def _ask_text(
    valves: Any,
    user: dict[str, Any] | None,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
) -> str:
    if not valves.adapter_key:
        raise AdapterError("its key is not set")
    timeout = aiohttp.ClientTimeout(total=valves.adapter_timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.request(
                method,
                f"{valves.adapter_url.rstrip('/')}/{path}",
                json=body,
                headers={"Authorization": f"Bearer {valves.adapter_key}", **_signed(user)},
                allow_redirects=False,
            ) as response,
        ):
            status, text = response.status, await response.text()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise AdapterError(type(error).__name__) from error
    if status != 200:
        raise AdapterError(f"HTTP {status}", status)
    return text


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AdapterError("its answer cannot be read") from error
    if not isinstance(found, dict):
        raise AdapterError("its answer cannot be read")
    return found


def _signed(user: dict[str, Any] | None) -> dict[str, str]:
    """The header in which Open WebUI vouches for a user: a JSON Web Token (RFC 7519) signed with HS256.

    Open WebUI signs its own requests in the same way; a function has no such request to send along.
    """
    secret = os.environ.get("FORWARD_USER_INFO_HEADER_JWT_SECRET", "").strip()
    if not secret or not user or not user.get("id"):
        return {}
    now = int(time.time())
    claims = {
        "sub": str(user["id"]),
        "email": str(user.get("email") or ""),
        "role": str(user.get("role") or ""),
        "iss": "open-webui",
        "iat": now,
        "exp": now + 60,
    }
    signed = ".".join(
        _base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return {"X-OpenWebUI-User-Jwt": f"{signed}.{_base64(signature)}"}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

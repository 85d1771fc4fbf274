"""
title: Hoheit Pipe
author: Hoheit contributors
version: 0.2.0
license: Apache-2.0
required_open_webui_version: 0.12.0
description: Offers the models of a Hoheit adapter as functions, with reasoning, tool calls and token usage.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
from pydantic import BaseModel, Field

log = logging.getLogger("hoheit_pipe")

# The longest line that an answer may consist of, in bytes; longer ones are no chat stream.
_MAX_LINE = 8 * 1024 * 1024
_LIST_TIMEOUT_S = 5.0


class AdapterError(Exception):
    """The adapter refused the request, broke off or cannot be reached; the text is for the user."""


class Pipe:
    """A manifold: one model in Open WebUI for each model of the adapter."""

    class Valves(BaseModel):
        adapter_url: str = Field(
            "http://127.0.0.1:8081/v1", description="Address of the adapter, ending in /v1."
        )
        adapter_key: str = Field(
            "",
            description="API key of the adapter.",
            json_schema_extra={"input": {"type": "password"}},
        )
        name_prefix: str = Field("Hoheit: ", description="Text before each model's name.")
        connect_timeout_s: float = Field(
            5.0, gt=0, description="Seconds to wait for a connection to the adapter."
        )
        stall_timeout_s: float = Field(
            180.0, gt=0, description="Seconds without any data after which an answer is given up."
        )
        models_cache_s: float = Field(
            30.0, ge=0, description="Seconds for which the list of models is kept."
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._models: list[dict[str, str]] = []
        self._asked_at = float("-inf")
        self._asked_with = ("", "")

    @property
    def name(self) -> str:
        """What Open WebUI puts before the name of each model."""
        return self.valves.name_prefix

    async def pipes(self) -> list[dict[str, str]]:
        """The adapter's models; while the adapter is away, those it had last."""
        asked_with = (self.valves.adapter_url, self.valves.adapter_key)
        fresh = time.monotonic() - self._asked_at < self.valves.models_cache_s
        if asked_with == self._asked_with and fresh:
            return self._models
        if asked_with != self._asked_with:
            self._models = []
        # Set first: a broken adapter is asked once per period, not once per page.
        self._asked_at, self._asked_with = time.monotonic(), asked_with
        try:
            timeout = aiohttp.ClientTimeout(total=_LIST_TIMEOUT_S)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url("models"), headers=self._headers()) as response,
            ):
                if response.status != 200:
                    raise AdapterError(await _reason(response))
                listing = await response.json()
            self._models = [
                {"id": model["id"], "name": str(model.get("name") or model["id"])}
                for model in listing["data"]
            ]
        except (
            AdapterError,
            aiohttp.ClientError,
            TimeoutError,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
            log.warning("the adapter's models cannot be listed: %s", error or type(error).__name__)
        return self._models

    async def pipe(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __chat_id__: str | None = None,
        __message_id__: str | None = None,
        __task__: str | None = None,
    ) -> AsyncGenerator[dict[str, Any], None] | dict[str, Any]:
        """Hands the request to the adapter; tool calls go back to Open WebUI, which runs them."""
        # Open WebUI names a manifold's model "<function id>.<model id>".
        payload = {**body, "model": body["model"].split(".", 1)[1]}
        headers = self._headers(
            {
                "X-Hoheit-Task": __task__,
                "X-Hoheit-Chat-Id": __chat_id__,
                "X-Hoheit-Message-Id": __message_id__,
                "X-Hoheit-User-Id": (__user__ or {}).get("id"),
                **_signed(__user__),
            }
        )
        if payload.get("stream"):
            return self._stream(payload, headers)
        return await self._complete(payload, headers)

    async def _complete(self, payload: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        payload.pop("stream_options", None)
        try:
            async with (
                self._session() as session,
                session.post(
                    self._url("chat/completions"), json=payload, headers=headers
                ) as response,
            ):
                if response.status != 200:
                    raise AdapterError(await _reason(response))
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise AdapterError(self._explain(error)) from error
        if not isinstance(answer, dict):
            raise AdapterError("The adapter's answer is not an object.")
        return answer

    async def _stream(
        self, payload: dict[str, Any], headers: dict[str, str]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The answer's chunks. Closing the generator closes the connection, which stops the engine."""
        try:
            async with (
                self._session() as session,
                session.post(
                    self._url("chat/completions"), json=payload, headers=headers
                ) as response,
            ):
                if response.status != 200:
                    raise AdapterError(await _reason(response))
                complete = False
                async for data in _events(response.content):
                    if data == "[DONE]":
                        complete = True
                        break
                    if chunk := _rebuilt(json.loads(data)):
                        yield chunk
                if not complete:
                    raise AdapterError("The answer broke off. What is above stays valid.")
        except (AdapterError, aiohttp.ClientError, TimeoutError, ValueError) as error:
            # Raising here would lose what the user has already read.
            yield {"error": {"message": self._explain(error)}}

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=self.valves.connect_timeout_s,
                sock_read=self.valves.stall_timeout_s,
            )
        )

    def _url(self, path: str) -> str:
        return f"{self.valves.adapter_url.rstrip('/')}/{path}"

    def _headers(self, about: dict[str, str | None] | None = None) -> dict[str, str]:
        known = {name: str(value) for name, value in (about or {}).items() if value}
        return {
            "Authorization": f"Bearer {self.valves.adapter_key}",
            **{
                name: value
                for name, value in known.items()
                if value.isascii() and value.isprintable()
            },
        }

    def _explain(self, error: Exception) -> str:
        if isinstance(error, AdapterError):
            return str(error)
        if isinstance(error, asyncio.TimeoutError):
            return f"The adapter sent nothing for {self.valves.stall_timeout_s:g} s."
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"The adapter cannot be reached at {self.valves.adapter_url}."
        if isinstance(error, aiohttp.ClientError):
            return "The connection to the adapter broke. What is above stays valid."
        return "The adapter's answer cannot be read."


async def _reason(response: aiohttp.ClientResponse) -> str:
    """What the adapter says about its refusal (an OpenAI error object), else the status."""
    try:
        return str(json.loads(await response.text())["error"]["message"])
    except (ValueError, KeyError, TypeError, aiohttp.ClientError):
        return f"The adapter answered with HTTP {response.status}."


async def _events(content: aiohttp.StreamReader) -> AsyncGenerator[str, None]:
    """The data of each server-sent event; comments and other fields are dropped."""
    buffer = b""
    async for piece in content.iter_any():
        *lines, buffer = (buffer + piece).split(b"\n")
        if len(buffer) > _MAX_LINE:
            raise ValueError("a line is too long")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].decode().strip()


def _rebuilt(chunk: Any) -> dict[str, Any] | None:
    """The chunk with nothing in it but text, reasoning, tool calls, usage or an error.

    Open WebUI hands an `event` in a chunk to the browser, which may run it as a script.
    """
    if not isinstance(chunk, dict):
        return None
    if _is_note(chunk):
        return chunk
    if error := chunk.get("error"):
        message = error.get("message") if isinstance(error, dict) else error
        return {"error": {"message": str(message or "The adapter reports a fault.")}}
    kept = {name: chunk[name] for name in ("id", "object", "created", "model") if name in chunk}
    kept["choices"] = [_choice(choice) for choice in chunk.get("choices") or []]
    if chunk.get("usage"):
        kept["usage"] = chunk["usage"]
    return kept


def _is_note(chunk: dict[str, Any]) -> bool:
    """Whether a chunk is a status line of the adapter's own and nothing besides: plain text to be shown."""
    event = chunk.get("event")
    data = event.get("data") if isinstance(event, dict) else None
    text = data.get("description") if isinstance(data, dict) else None
    return (
        isinstance(text, str)
        and len(text) <= 300
        and chunk == {"event": {"type": "status", "data": {"description": text, "done": True}}}
    )


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    given = choice.get("delta") or {}
    names = ("role", "content", "reasoning_content", "tool_calls")
    return {
        "index": choice.get("index", 0),
        "delta": {name: given[name] for name in names if given.get(name) is not None},
        "finish_reason": choice.get("finish_reason"),
    }


# The same in every function that asks the adapter: Open WebUI loads each file alone.


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

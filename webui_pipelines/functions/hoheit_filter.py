"""
title: Hoheit Status
author: Hoheit contributors
version: 0.1.0
license: Apache-2.0
required_open_webui_version: 0.12.0
description: Shows model, on-site tools, calls and tokens of an answer; drops script events.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, Field

Emitter = Callable[[dict[str, Any]], Awaitable[None]]

_WORDS = {
    "en": {
        "tools": "on-site tools: {servers}",
        "none": "no on-site tools",
        "called": "Called {names}",
        "tokens": "{read} tokens read, {written} written",
        "separator": ",",
    },
    "de": {
        "tools": "Werkzeuge im Haus: {servers}",
        "none": "keine Werkzeuge im Haus",
        "called": "Aufgerufen: {names}",
        "tokens": "{read} Token gelesen, {written} geschrieben",
        "separator": ".",
    },
}


class Filter:
    """Says what happens around an answer, and keeps instructions to the browser out of it.

    It shows; it does not guard. What must hold is enforced by the adapter, which also sees the calls for
    titles and tags that no filter sees.
    """

    class Valves(BaseModel):
        priority: int = Field(0, description="Order among filters; lower runs first.")
        show_status: bool = Field(True, description="Show the status line to people who want it.")
        site_servers: str = Field(
            "files,databases", description="Ids of the on-site tool servers, separated by commas."
        )
        event_models: str = Field(
            "",
            description="Models (shell patterns, separated by commas) whose streams may send events to the "
            "browser. Functions may always; a provider's stream can run a script in the page that way.",
        )

    class UserValves(BaseModel):
        show_status: bool = Field(True, description="Show model, tools and tokens above answers.")

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def request(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __metadata__: dict[str, Any] | None = None,
        __request__: Any = None,
        __model__: dict[str, Any] | None = None,
        __event_emitter__: Emitter | None = None,
    ) -> dict[str, Any]:
        """Before the first model call of an answer: which model, which on-site tools."""
        metadata = __metadata__ or {}
        servers = self._servers_in_force(body, metadata)
        if (
            __event_emitter__ is None
            or not self._wanted(__user__)
            or not (servers or _is_ours(__model__))
            or not _first_time(__request__, metadata)
        ):
            return body
        words = _words(metadata)
        tools = words["tools"].format(servers=", ".join(servers)) if servers else words["none"]
        await _show(__event_emitter__, f"{_name(__model__, body)} · {tools}")
        return body

    def stream(
        self,
        event: dict[str, Any],
        __model__: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Drops `event` objects, which the page may run as a script, and a silent change of the model.

        What the adapter notes about an answer (a replica broke off, another goes on) is shown.
        """
        # An exception here would empty the answer without a word, so nothing below can raise.
        if not isinstance(event, dict) or self._may_send_events(__model__):
            return event
        if _is_ours(__model__) and _is_note(event):
            return event
        drop = {"event"}
        # Open WebUI itself announces the model that its arena picked.
        if (__model__ or {}).get("owned_by") != "arena":
            drop.add("selected_model_id")
        if drop.isdisjoint(event):
            return event
        return {key: value for key, value in event.items() if key not in drop} or None

    async def outlet(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __metadata__: dict[str, Any] | None = None,
        __model__: dict[str, Any] | None = None,
        __event_emitter__: Emitter | None = None,
    ) -> dict[str, Any]:
        """After the answer: the names of the tools that were called, and the tokens it took."""
        answer = (body.get("messages") or [{}])[-1]
        called = _called(answer)
        if (
            __event_emitter__ is None
            or not self._wanted(__user__)
            or not (called or _is_ours(__model__))
        ):
            return body
        words = _words(__metadata__ or {})
        parts = [words["called"].format(names=called)] if called else []
        usage = answer.get("usage") or {}
        read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
        if read or written:
            parts.append(
                words["tokens"].format(read=_number(read, words), written=_number(written, words))
            )
        if parts:
            await _show(__event_emitter__, " · ".join(parts))
        return body

    def _servers_in_force(self, body: dict[str, Any], metadata: dict[str, Any]) -> list[str]:
        """On-site servers that are switched on in this chat and whose tools the model was really given."""
        chosen = metadata.get("tool_ids") or []
        offered = [(tool.get("function") or {}).get("name", "") for tool in body.get("tools") or []]
        return [
            server
            for server in _listed(self.valves.site_servers)
            if f"server:mcp:{server}" in chosen
            and any(name.startswith(f"{server}_") for name in offered)
        ]

    def _may_send_events(self, model: dict[str, Any] | None) -> bool:
        if model is None:
            return False
        patterns = _listed(self.valves.event_models)
        return "pipe" in model or any(
            fnmatchcase(str(model.get("id", "")), pattern) for pattern in patterns
        )

    def _wanted(self, user: dict[str, Any] | None) -> bool:
        own = (user or {}).get("valves")
        return self.valves.show_status and getattr(own, "show_status", True)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_ours(model: dict[str, Any] | None) -> bool:
    """True for models that provisioning marked as the adapter's."""
    info = (model or {}).get("info") or {}
    return "hoheit" in (info.get("meta") or {})


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


def _name(model: dict[str, Any] | None, body: dict[str, Any]) -> str:
    return str((model or {}).get("name") or body.get("model") or "?")


def _words(metadata: dict[str, Any]) -> dict[str, str]:
    language = str((metadata.get("variables") or {}).get("{{USER_LANGUAGE}}") or "")
    return _WORDS["de" if language.lower().startswith("de") else "en"]


def _number(value: int, words: dict[str, str]) -> str:
    return f"{value:,}".replace(",", words["separator"])


def _first_time(request: Any, metadata: dict[str, Any]) -> bool:
    """True once per answer: a tool loop calls the model several times within one HTTP request."""
    if request is None:
        return True
    shown: set[Any] = getattr(request.state, "hoheit_shown", set())
    request.state.hoheit_shown = shown
    message = metadata.get("message_id")
    if message in shown:
        return False
    shown.add(message)
    return True


def _called(answer: dict[str, Any]) -> str:
    counts = Counter(
        str(item.get("name"))
        for item in answer.get("output") or []
        if item.get("type") == "function_call"
    )
    return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items())


async def _show(emitter: Emitter, text: str) -> None:
    await emitter({"type": "status", "data": {"description": text, "done": True}})

"""
title: Hoheit Status
author: Hoheit contributors
version: 0.2.0
license: Apache-2.0
required_open_webui_version: 0.12.0
description: Shows model, on-site tools, calls, tokens and what left the site; drops script events.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from pydantic import BaseModel, Field

Emitter = Callable[[dict[str, Any]], Awaitable[None]]
Caller = Callable[[dict[str, Any]], Awaitable[Any]]

# The switch "Stays on site", which is a function of its own.
_ON_SITE = "hoheit_on_site"
# How long a person may think about whether a chat may leave the site, in seconds.
_PATIENCE_S = 120
# What the adapter names as the rule where a person has switched that on.
_OWN_SWITCH = "the chat's own switch"
# The most receipts that the adapter tells at once.
_PAGE = 500
# The longest name of a rule that a status line shows, in characters.
_RULE = 160

_WORDS = {
    "en": {
        "tools": "on-site tools: {servers}",
        "none": "no on-site tools",
        "called": "Called {names}",
        "tokens": "{read} tokens read, {written} written",
        "separator": ",",
        "sent": "Sent {what}, to {places}",
        "passages": "1 passage|{count} passages",
        "no passages": "the chat",
        "values": "1 value protected|{count} values protected",
        "no values": "no values protected",
        "and": "and",
        "stayed": "Stayed on site",
        "secret": "Answered on site: this chat is secret",
        "kept": "Answered on site: this chat stays on site",
        "ruled": "Answered on site: {rule}",
        "refused": "Not sent, as {rule} says",
        "rules": "the policy",
        "unknown": "What left the site is not known: the adapter cannot be asked ({reason})",
        "unnamed": "What left the site is not known: the adapter was not told which requests were this answer's",
        "leave title": "This chat has stayed on site so far",
        "leave": "May it leave the site from now on? What was said in it so far will then go along, as far "
        "as the site's rules allow. If you cancel, it stays on site. Switch “Stays on site” "
        "on again, and you are not asked any more.",
        "elsewhere": "This chat stays on site, and this model is not reached through the site's adapter. "
        "Choose another model, or start a new chat.",
    },
    "de": {
        "tools": "Werkzeuge im Haus: {servers}",
        "none": "keine Werkzeuge im Haus",
        "called": "Aufgerufen: {names}",
        "tokens": "{read} Token gelesen, {written} geschrieben",
        "separator": ".",
        "sent": "Gesendet: {what}, an {places}",
        "passages": "1 Textstelle|{count} Textstellen",
        "no passages": "der Chat",
        "values": "1 Wert geschützt|{count} Werte geschützt",
        "no values": "keine Werte geschützt",
        "and": "und",
        "stayed": "Im Haus geblieben",
        "secret": "Im Haus beantwortet: Dieser Chat ist geheim",
        "kept": "Im Haus beantwortet: Dieser Chat bleibt im Haus",
        "ruled": "Im Haus beantwortet: {rule}",
        "refused": "Nicht gesendet, wie {rule} es verlangt",
        "rules": "die Regel",
        "unknown": "Was das Haus verließ, ist nicht bekannt: Der Adapter lässt sich nicht fragen ({reason})",
        "unnamed": "Was das Haus verließ, ist nicht bekannt: Dem Adapter wurde nicht gesagt, welche Anfragen "
        "zu dieser Antwort gehören",
        "leave title": "Dieser Chat blieb bisher im Haus",
        "leave": "Darf er das Haus von jetzt an verlassen? Dann geht auch mit, was darin bisher gesagt wurde, "
        "soweit die Regeln dieses Hauses es erlauben. Wenn Sie abbrechen, bleibt er im Haus. Schalten Sie "
        "„Bleibt im Haus“ wieder ein, dann wird nicht mehr gefragt.",
        "elsewhere": "Dieser Chat bleibt im Haus, und dieses Modell wird nicht über den Adapter des Hauses "
        "erreicht. Wählen Sie ein anderes Modell, oder beginnen Sie einen neuen Chat.",
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
        show_sent: bool = Field(True, description="Show what left the site under each answer.")
        adapter_url: str = Field(
            "http://127.0.0.1:8081/v1", description="Address of the adapter, ending in /v1."
        )
        adapter_key: str = Field(
            "",
            description="API key of the adapter, which knows what left the site.",
            json_schema_extra={"input": {"type": "password"}},
        )
        adapter_timeout_s: float = Field(
            2.0, gt=0, description="Seconds to wait for the adapter's answer."
        )

    class UserValves(BaseModel):
        show_status: bool = Field(True, description="Show model, tools and tokens above answers.")
        show_sent: bool = Field(True, description="Show what left the site.")

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def inlet(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __metadata__: dict[str, Any] | None = None,
        __request__: Any = None,
        __model__: dict[str, Any] | None = None,
        __event_call__: Caller | None = None,
    ) -> dict[str, Any]:
        """Before a chat that stayed on site would leave it: asks whether it may.

        The page forgets its switches when it is opened anew, so one that is off tells nothing by itself.
        Without a clear yes the chat stays on site. Raises ValueError where that cannot be.
        """
        metadata = __metadata__ or {}
        chat = str(metadata.get("chat_id") or "")
        if (
            not chat
            or not self.valves.adapter_key
            or _ON_SITE in (metadata.get("filter_ids") or [])
        ):
            return body
        path = f"site/chats/{quote(chat, safe='')}"
        try:
            kept = (await _ask(self.valves, __user__, "GET", path)).get("on_site") is True
            if kept and await _may_leave(__event_call__, _words(metadata)):
                released = await _ask(self.valves, __user__, "PUT", path, {"on_site": False})
                kept = released.get("on_site") is not False
        except AdapterError:
            # The adapter remembers by itself, and what it does not answer does not leave through it.
            return body
        if kept and not _reaches_the_adapter(__model__, __request__):
            raise ValueError(_words(metadata)["elsewhere"])
        return body

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
        """After the answer: the tools that were called, the tokens it took, and what left the site."""
        answer = (body.get("messages") or [{}])[-1]
        if __event_emitter__ is None:
            return body
        words = _words(__metadata__ or {})
        if self._wanted(__user__) and (text := _work(answer, words, _is_ours(__model__))):
            await _show(__event_emitter__, text)
        if self._wanted(__user__, "show_sent"):
            text = await self._sent(__user__, __metadata__ or {}, words, _is_ours(__model__))
            if text:
                await _show(__event_emitter__, text)
        return body

    async def _sent(
        self,
        user: dict[str, Any] | None,
        metadata: dict[str, Any],
        words: dict[str, str],
        ours: bool,
    ) -> str:
        """What the adapter's receipts say about an answer; nothing for models that are not the adapter's."""
        chat, message = metadata.get("chat_id"), metadata.get("message_id")
        if not chat or not message or not (ours or self.valves.adapter_key):
            return ""
        try:
            # A title is no part of an answer, and is asked for at any time.
            found = await self._receipts(user, {"chat": chat, "message": message})
            receipts = [each for each in found if not each.get("task")]
            if receipts:
                return _told(receipts, words)
            if not ours:
                return ""
            # Without a receipt nothing leaves; but a connection may not tell which message it asks for.
            found = await self._receipts(user, {"chat": chat})
        except AdapterError as error:
            return words["unknown"].format(reason=error) if ours else ""
        unnamed = [each for each in found if not each.get("message") and not each.get("task")]
        return words["unnamed" if unnamed or len(found) >= _PAGE else "stayed"]

    async def _receipts(
        self, user: dict[str, Any] | None, about: dict[str, Any]
    ) -> list[dict[str, Any]]:
        answer = await _ask(self.valves, user, "GET", f"site/receipts?{urlencode(about)}")
        found = answer.get("data")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise AdapterError("no list of receipts")
        return found

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

    def _wanted(self, user: dict[str, Any] | None, what: str = "show_status") -> bool:
        own = (user or {}).get("valves")
        return bool(getattr(self.valves, what) and getattr(own, what, True))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_ours(model: dict[str, Any] | None) -> bool:
    """True for models that provisioning marked as the adapter's."""
    info = (model or {}).get("info") or {}
    return "hoheit" in (info.get("meta") or {})


def _reaches_the_adapter(model: dict[str, Any] | None, request: Any) -> bool:
    """True for the adapter's models and for those that people have made of them."""
    if _is_ours(model):
        return True
    base = ((model or {}).get("info") or {}).get("base_model_id")
    known = getattr(getattr(getattr(request, "app", None), "state", None), "MODELS", None) or {}
    return base in known and _is_ours(known[base])


async def _may_leave(call: Caller | None, words: dict[str, str]) -> bool:
    """Whether the person says so in a dialog. Who has no page open says nothing."""
    if call is None:
        return False
    data = {"title": words["leave title"], "message": words["leave"]}
    try:
        # A page that shows another chat by now never answers.
        async with asyncio.timeout(_PATIENCE_S):
            return await call({"type": "confirmation", "data": data}) is True
    except TimeoutError:
        return False


def _told(receipts: list[dict[str, Any]], words: dict[str, str]) -> str:
    """The receipts of one answer in a line.

    In a loop of tool calls every request holds what the ones before held, so each kind counts once, with
    its greatest number.
    """
    left = [each for each in receipts if _left(each)]
    parts = []
    if left:
        passages, values = _greatest(left, "passages"), _greatest(left, "counts")
        what = [
            _counted(passages, words["passages"], words) if passages else words["no passages"],
            _counted(values, words["values"], words) if values else words["no values"],
        ]
        places = [str(each.get("site") or each.get("destination") or "?") for each in left]
        listed = _listing(list(dict.fromkeys(places)), words["and"])
        parts.append(words["sent"].format(what=", ".join(what), places=listed))
    on_site = [each for each in receipts if each.get("action") == "on_site"]
    if on_site:
        parts.append(_why_on_site(on_site[-1], words))
    refused = [each for each in receipts if each.get("action") == "refuse"]
    if refused:
        rule = str(refused[-1].get("policy") or words["rules"])[:_RULE]
        parts.append(words["refused"].format(rule=rule))
    return " · ".join(parts) or words["stayed"]


def _why_on_site(receipt: dict[str, Any], words: dict[str, str]) -> str:
    rule = str(receipt.get("policy") or words["rules"])
    if rule == _OWN_SWITCH:
        return words["kept"]
    if receipt.get("data_class") == "secret":
        return words["secret"]
    return words["ruled"].format(rule=rule[:_RULE])


def _left(receipt: dict[str, Any]) -> bool:
    return receipt.get("action") in ("send", "pseudonymise") and receipt.get("trust") != "site"


def _greatest(receipts: list[dict[str, Any]], name: str) -> int:
    most: dict[str, int] = {}
    for receipt in receipts:
        counts = receipt.get(name)
        for kind, count in counts.items() if isinstance(counts, dict) else ():
            if isinstance(count, int):
                most[kind] = max(count, most.get(kind, 0))
    return sum(most.values())


def _counted(count: int, forms: str, words: dict[str, str]) -> str:
    one, several = forms.split("|")
    return one if count == 1 else several.format(count=_number(count, words))


def _listing(names: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


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


def _work(answer: dict[str, Any], words: dict[str, str], ours: bool) -> str:
    """The tools that were called and the tokens that an answer took; nothing for others' plain answers."""
    called = _called(answer)
    if not called and not ours:
        return ""
    parts = [words["called"].format(names=called)] if called else []
    usage = answer.get("usage") or {}
    read, written = usage.get("input_tokens") or 0, usage.get("output_tokens") or 0
    if read or written:
        parts.append(
            words["tokens"].format(read=_number(read, words), written=_number(written, words))
        )
    return " · ".join(parts)


def _called(answer: dict[str, Any]) -> str:
    counts = Counter(
        str(item.get("name"))
        for item in answer.get("output") or []
        if item.get("type") == "function_call"
    )
    return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items())


async def _show(emitter: Emitter, text: str) -> None:
    await emitter({"type": "status", "data": {"description": text, "done": True}})


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

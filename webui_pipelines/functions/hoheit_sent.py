"""
title: What left the site · Was das Haus verließ
author: Hoheit contributors
version: 0.1.0
license: Apache-2.0
required_open_webui_version: 0.12.0
description: A button under answers: shows each request of an answer exactly as it left the site.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, Field

Emitter = Callable[[dict[str, Any]], Awaitable[None]]
Caller = Callable[[dict[str, Any]], Awaitable[Any]]

_ICON = (
    "data:image/svg+xml;base64,"
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCIgZmls"
    "bD0ibm9uZSIgc3Ryb2tlPSIjNjY2IiBzdHJva2Utd2lkdGg9IjEuNiIgc3Ryb2tlLWxpbmVjYXA9InJvdW5k"
    "IiBzdHJva2UtbGluZWpvaW49InJvdW5kIj48cGF0aCBkPSJNNCAxMi41IDEyIDZsOCA2LjUiLz48cGF0aCBk"
    "PSJNNi41IDExdjhoNSIvPjxwYXRoIGQ9Ik0xNCAxN2g3bS0yLjUtMi41TDIxIDE3bC0yLjUgMi41Ii8+PC9z"
    "dmc+"
)

_SENT = ("send", "pseudonymise")
# How much of one request is shown, in characters; its hash is of the whole.
_LONGEST = 200_000
# How many requests of one answer are shown; a loop of tool calls has one for each round.
_MOST = 20

# How long the page may take to say what it knows, in seconds.
_PAGE_S = 3
# What the page knows about the person: the language of the interface, and whether it is dark.
_ABOUT_THE_PAGE = (
    "return {language: localStorage.getItem('locale') || navigator.language, "
    "dark: document.documentElement.classList.contains('dark')}"
)

_WORDS = {
    "en": {
        "title": "What left the site for this answer",
        "nothing": "Nothing left the site for this answer.",
        "no receipt": "Nothing left the site for this answer, as far as the adapter was told which requests "
        "were this answer's.",
        "unknown": "What left the site is not known: the adapter cannot be asked ({reason}).",
        "unsigned": "This cannot be shown: Open WebUI does not tell the adapter who asks. Give it the "
        "adapter's secret as FORWARD_USER_INFO_HEADER_JWT_SECRET.",
        "marked": "Marked: a pseudonym that stands for a value of this site.",
        "request": "Request {number}",
        "task": "task {task}",
        "send": "sent as it is",
        "pseudonymise": "sent with pseudonyms",
        "own": "to this site's own model",
        "on_site": "answered on site",
        "refuse": "not sent",
        "to": "To",
        "at": "{destination} in {site}",
        "trust site": "run by this site",
        "trust partner": "a partner's",
        "trust public": "anybody's",
        "model": "Model",
        "time": "Time",
        "policy": "Rule",
        "class": "Class",
        "counts": "Protected",
        "passages": "Passages",
        "bytes": "Size",
        "bytes unit": "{count} bytes",
        "sha256": "SHA-256",
        "kept": "Kept until",
        "same": "matches the text below",
        "differs": "does not match the text below",
        "read": "As text",
        "exact": "Exactly as it was sent",
        "tools": "{count} tools described",
        "cut": "… {count} characters more",
        "gone": "The text is not kept any more.",
        "more": "{count} more requests are not shown.",
        "none": "none",
    },
    "de": {
        "title": "Was für diese Antwort das Haus verließ",
        "nothing": "Für diese Antwort hat nichts das Haus verlassen.",
        "no receipt": "Für diese Antwort hat nichts das Haus verlassen, soweit dem Adapter gesagt wurde, welche "
        "Anfragen zu ihr gehören.",
        "unknown": "Was das Haus verließ, ist nicht bekannt: Der Adapter lässt sich nicht fragen ({reason}).",
        "unsigned": "Das lässt sich nicht zeigen: Open WebUI sagt dem Adapter nicht, wer fragt. Geben Sie ihm "
        "das Geheimnis des Adapters als FORWARD_USER_INFO_HEADER_JWT_SECRET.",
        "marked": "Markiert: ein Pseudonym, das für einen Wert dieses Hauses steht.",
        "request": "Anfrage {number}",
        "task": "Aufgabe {task}",
        "send": "unverändert gesendet",
        "pseudonymise": "mit Pseudonymen gesendet",
        "own": "an ein Modell im Haus",
        "on_site": "im Haus beantwortet",
        "refuse": "nicht gesendet",
        "to": "An",
        "at": "{destination} in {site}",
        "trust site": "von diesem Haus betrieben",
        "trust partner": "von einem Partner betrieben",
        "trust public": "von irgendwem betrieben",
        "model": "Modell",
        "time": "Zeit",
        "policy": "Regel",
        "class": "Klasse",
        "counts": "Geschützt",
        "passages": "Textstellen",
        "bytes": "Größe",
        "bytes unit": "{count} Bytes",
        "sha256": "SHA-256",
        "kept": "Aufbewahrt bis",
        "same": "stimmt mit dem Text unten überein",
        "differs": "stimmt nicht mit dem Text unten überein",
        "read": "Als Text",
        "exact": "Genau so, wie es gesendet wurde",
        "tools": "{count} Werkzeuge beschrieben",
        "cut": "… {count} Zeichen mehr",
        "gone": "Der Text wird nicht mehr aufbewahrt.",
        "more": "{count} weitere Anfragen werden nicht gezeigt.",
        "none": "keine",
    },
}

# The frame tells Open WebUI how high it is; that is the only script in it, and the only one allowed.
_SCRIPT = (
    "const tell=()=>parent.postMessage({type:'iframe:height',"
    "height:document.documentElement.offsetHeight},'*');"
    "new ResizeObserver(tell).observe(document.documentElement);tell();"
)
_STYLE = """
:root{--text:#24292f;--soft:#6e7781;--line:#d0d7de;--back:#fff;--mark:#fff1b8;--edge:#d4a72c}
:root.dark{--text:#e6e6e6;--soft:#9a9a9a;--line:#3a3a3a;--back:#1d1d1d;--mark:#4d3d0a;--edge:#b58b1b}
*{box-sizing:border-box}
body{margin:0;padding:1rem 1.1rem;font:14px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);
border:1px solid var(--line);border-radius:1rem}
h1{font-size:15px;margin:0 0 .2rem}
p{margin:.2rem 0;color:var(--soft)}
section,details.request{margin-top:.7rem;padding-top:.6rem;border-top:1px solid var(--line)}
summary{cursor:pointer;overflow-wrap:anywhere}
summary b{margin-right:.5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem .9rem;margin:.6rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
code,pre{font:12px/1.5 ui-monospace,monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;max-height:26rem;overflow:auto;margin:.4rem 0;padding:.6rem .7rem;
border:1px solid var(--line);border-radius:.5rem}
mark{color:inherit;background:var(--mark);border-bottom:2px solid var(--edge);border-radius:.2rem;padding:0 .15em}
h2{font-size:12px;margin:.6rem 0 0;color:var(--soft);font-weight:600}
"""


class Action:
    """The button. What it shows is asked of the adapter anew each time."""

    class Valves(BaseModel):
        priority: int = Field(0, description="Order among the buttons; lower stands first.")
        adapter_url: str = Field(
            "http://127.0.0.1:8081/v1", description="Address of the adapter, ending in /v1."
        )
        adapter_key: str = Field(
            "",
            description="API key of the adapter, which keeps what it sent.",
            json_schema_extra={"input": {"type": "password"}},
        )
        adapter_timeout_s: float = Field(
            5.0, gt=0, description="Seconds to wait for the adapter's answer."
        )

    def __init__(self) -> None:
        self.valves = self.Valves()
        self.icon_url = _ICON

    async def action(
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __event_emitter__: Emitter | None = None,
        __event_call__: Caller | None = None,
    ) -> None:
        """Shows the requests of the answer under which the button was pressed."""
        if __event_emitter__ is None:
            return
        language, dark = await _about_the_page(__event_call__)
        words = _WORDS[language]
        content = await self._content(body, __user__, words)
        # Of two events that show the same, this is the one that Open WebUI does not pass on to the people
        # with whom the chat is shared.
        await __event_emitter__(
            {
                "type": "chat:message:embeds",
                "data": {"embeds": [_page(content, words, language, dark)]},
            }
        )

    async def _content(
        self, body: dict[str, Any], user: dict[str, Any] | None, words: dict[str, str]
    ) -> str:
        if not _signed(user):
            # Whoever pressed the button could name anybody's chat.
            return _paragraph(words["unsigned"])
        query = urlencode({"chat": body.get("chat_id") or "", "message": body.get("id") or ""})
        try:
            found = (await _ask(self.valves, user, "GET", f"site/receipts?{query}")).get("data")
            if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
                raise AdapterError("no list of receipts")
            if not found:
                return _paragraph(words["no receipt"])
            parts = [] if any(map(_left, found)) else [_paragraph(words["nothing"])]
            parts += [
                await self._request(number, receipt, user, words, is_open=number == 1)
                for number, receipt in enumerate(found[:_MOST], 1)
            ]
        except AdapterError as error:
            return _paragraph(words["unknown"].format(reason=error))
        if len(found) > _MOST:
            parts.append(_paragraph(words["more"].format(count=len(found) - _MOST)))
        return "".join(parts)

    async def _request(
        self,
        number: int,
        receipt: dict[str, Any],
        user: dict[str, Any] | None,
        words: dict[str, str],
        *,
        is_open: bool,
    ) -> str:
        kept: dict[str, Any] | None = None
        if _left(receipt):
            path = f"site/receipts/{_seq(receipt)}/body"
            try:
                kept = _kept(await _ask_text(self.valves, user, "GET", path))
            except AdapterError as error:
                if error.status not in (404, 410):
                    raise
        action = str(receipt.get("action"))
        at_home = action in _SENT and not _left(receipt)
        told = [words["own"] if at_home else words.get(action, action), _place(receipt, words)]
        if receipt.get("task"):
            told.append(words["task"].format(task=receipt["task"]))
        heading = (
            f"<summary><b>{escape(words['request'].format(number=number))}</b>"
            f"{escape(' · '.join(filter(None, told)))}</summary>"
        )
        shown = _facts(receipt, kept, words)
        if kept is not None:
            shown += _texts(kept, words)
        elif _left(receipt):
            shown += _paragraph(words["gone"])
        return f'<details class="request"{" open" if is_open else ""}>{heading}{shown}</details>'


async def _about_the_page(call: Caller | None) -> tuple[str, bool]:
    """The language of the person's interface, `de` or `en`, and whether it is dark."""
    found: Any = None
    # A page that shows another chat by now never answers.
    with suppress(TimeoutError):
        async with asyncio.timeout(_PAGE_S):
            found = (
                await call({"type": "execute", "data": {"code": _ABOUT_THE_PAGE}}) if call else None
            )
    if not isinstance(found, dict):
        return "en", False
    language = str(found.get("language") or "").lower()
    return "de" if language.startswith("de") else "en", found.get("dark") is True


def _left(receipt: dict[str, Any]) -> bool:
    return receipt.get("action") in _SENT and receipt.get("trust") != "site"


def _seq(receipt: dict[str, Any]) -> int:
    seq = receipt.get("seq")
    if not isinstance(seq, int):
        raise AdapterError("a receipt without a number")
    return seq


def _kept(text: str) -> dict[str, Any]:
    """What the adapter keeps of a request, its `body` as the very text that was sent.

    A request in JSON stands in the answer as it is, and reading it would lose how it was written.
    """
    kept = _object(text)
    if not isinstance(kept.get("body"), str):
        match = re.match(r'\s*\{\s*"seq"\s*:\s*\d+\s*,\s*"body"\s*:\s*', text)
        if match is None:
            raise AdapterError("its answer cannot be read")
        _, end = json.JSONDecoder().raw_decode(text, match.end())
        kept["body"] = text[match.end() : end]
    return kept


def _place(receipt: dict[str, Any], words: dict[str, str]) -> str:
    destination, site = str(receipt.get("destination") or ""), str(receipt.get("site") or "")
    if not _left(receipt) or not (destination or site):
        return ""
    if destination and site and site != destination:
        return words["at"].format(destination=destination, site=site)
    return destination or site


def _facts(receipt: dict[str, Any], kept: dict[str, Any] | None, words: dict[str, str]) -> str:
    """What the receipt says, as a list of terms."""
    trust = words.get(f"trust {receipt.get('trust')}", "")
    place = _place(receipt, words)
    rows = [
        ("to", f"{place} ({trust})" if place and trust else place),
        ("model", receipt.get("model")),
        ("time", _moment(receipt.get("time"))),
        ("policy", receipt.get("policy")),
        ("class", receipt.get("data_class")),
        ("passages", _tally(receipt.get("passages")) or words["none"]),
        ("counts", _tally(receipt.get("counts")) or words["none"]),
    ]
    if _left(receipt):
        rows.append(("bytes", words["bytes unit"].format(count=receipt.get("bytes") or 0)))
    cells = "".join(
        f"<dt>{escape(words[name])}</dt><dd>{escape(str(value))}</dd>"
        for name, value in rows
        if value
    )
    if _left(receipt) and receipt.get("body_sha256"):
        proof = ""
        if kept is not None:
            digest = hashlib.sha256(str(kept.get("body")).encode()).hexdigest()
            same = digest == receipt["body_sha256"]
            proof = f" {'✓' if same else '✗'} {words['same' if same else 'differs']}"
        cells += (
            f"<dt>{escape(words['sha256'])}</dt>"
            f"<dd><code>{escape(str(receipt['body_sha256']))}</code>{escape(proof)}</dd>"
        )
    if kept is not None and kept.get("kept_until"):
        cells += f"<dt>{escape(words['kept'])}</dt><dd>{escape(_moment(kept['kept_until']))}</dd>"
    return f"<dl>{cells}</dl>"


def _tally(counts: Any) -> str:
    if not isinstance(counts, dict):
        return ""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _moment(value: Any) -> str:
    """A time as people read it; seconds since 1970 and ISO 8601 are understood."""
    try:
        moment = (
            datetime.fromtimestamp(value).astimezone()
            if isinstance(value, (int, float))
            else datetime.fromisoformat(str(value)).astimezone()
        )
    except (ValueError, OverflowError, OSError):
        return str(value or "")
    return moment.strftime("%Y-%m-%d %H:%M:%S %Z")


def _texts(kept: dict[str, Any], words: dict[str, str]) -> str:
    """The request twice: its messages as text, and the bytes as they were sent."""
    sent = str(kept.get("body") or "")
    names = [str(name) for name in kept.get("pseudonyms") or [] if name]
    # The longest first, so that Person-K7 does not hide Person-K7Q.
    pattern = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    mark = re.compile(f"({pattern})") if pattern else None
    messages = "".join(
        f"<h2>{escape(role)}</h2><pre>{_marked(text, mark, words)}</pre>"
        for role, text in _messages(sent, words)
    )
    read = f"<details open><summary>{escape(words['read'])}</summary>{messages}</details>"
    exact = (
        f"<details><summary>{escape(words['exact'])}</summary>"
        f'<pre class="exact">{_marked(sent, mark, words)}</pre></details>'
    )
    return (read if messages else "") + exact


def _messages(sent: str, words: dict[str, str]) -> list[tuple[str, str]]:
    """The role and text of each message of a request; none where it is not read as a chat."""
    try:
        request = json.loads(sent)
        found = [(str(m["role"]), _text(m)) for m in request["messages"]]
        tools = request.get("tools")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    if isinstance(tools, list) and tools:
        found.append(("tools", words["tools"].format(count=len(tools))))
    return found


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [str(part.get("text") or f"[{part.get('type', '')}]") for part in parts if part]
    for call in message.get("tool_calls") or []:
        function = call["function"]
        texts.append(f"{function.get('name')}({function.get('arguments')})")
    if message.get("reasoning_content"):
        texts.insert(0, str(message["reasoning_content"]))
    return "\n".join(text for text in texts if text != "[]")


def _marked(text: str, mark: re.Pattern[str] | None, words: dict[str, str]) -> str:
    """The text as HTML, every pseudonym in it marked, cut where it is too long to show."""
    shown, rest = text[:_LONGEST], len(text) - _LONGEST
    pieces = mark.split(shown) if mark else [shown]
    html = "".join(
        f"<mark>{escape(piece)}</mark>" if number % 2 else escape(piece)
        for number, piece in enumerate(pieces)
    )
    return html + (escape(words["cut"].format(count=rest)) if rest > 0 else "")


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _page(content: str, words: dict[str, str], language: str, dark: bool) -> str:
    """A page that loads nothing, sends nothing and runs nothing but the line that tells its height."""
    allowed = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; "
        "base-uri 'none'; form-action 'none'"
    )
    note = _paragraph(words["marked"]) if "<mark>" in content else ""
    return (
        f'<!doctype html><html lang="{language}"{" class=dark" if dark else ""}><head>'
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(words['title'])}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(words['title'])}</h1>{note}{content}"
        f"<script>{_SCRIPT}</script></body></html>"
    )


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

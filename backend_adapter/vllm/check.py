"""Looks at a running vLLM server: whether it answers, how it is laid out, how much it holds, what it lacks."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

from backend_adapter.upstreams.load import Load, load_of, read_samples
from backend_adapter.vllm.errors import CheckError

# With which this bundle was tried; another one may name fields and metrics otherwise.
TRIED_VERSION = "0.32"
_QUICK_S = 10.0
# A large model on a busy server begins late.
_COMPLETION_S = 120.0
_TOOL = {
    "type": "function",
    "function": {"name": "noop", "parameters": {"type": "object", "properties": {}}},
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do about a warning or a fault."""

    subject: str
    verdict: Literal["ok", "warning", "fault"]
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Target:
    """A server: the address of its API (…/v1), its key, and the layout it should have (`tp4-pp2`), if known."""

    name: str
    base_url: str
    api_key: str | None = None
    layout: str | None = None


async def examine(target: Target) -> list[Finding]:
    """What there is to say about one server. What it cannot be asked is left out, and why is said."""
    headers = {} if target.api_key is None else {"Authorization": f"Bearer {target.api_key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        server = _Server(session, target)
        findings = []
        try:
            async for finding in _looked_at(server):
                findings.append(finding)
        except CheckError as error:
            findings.append(Finding(target.name, "fault", error.message, error.remedy))
        return findings


async def _looked_at(server: "_Server") -> AsyncIterator[Finding]:
    yield await _version(server)
    yield await _health(server)
    models = (await server.json("GET", "/v1/models"))["data"]
    for model in models:
        yield await _completion(server, model["id"])
        yield await _tools(server, model["id"])
    samples = read_samples((await server.text("/metrics")).encode())
    for model in models:
        load = load_of(samples, model["id"])
        if load is None:
            yield Finding(
                server.name, "warning", "it tells nothing of its load", "Leave its /metrics open."
            )
        else:
            yield _room(server, load, model.get("max_model_len") or 0)
            yield Finding(
                server.name, "ok", f"{load.running} requests are running, {load.waiting} waiting"
            )


async def _version(server: "_Server") -> Finding:
    version = str((await server.json("GET", "/version")).get("version", "unknown"))
    if version.startswith(f"{TRIED_VERSION}."):
        return Finding(server.name, "ok", f"vLLM {version}")
    return Finding(
        server.name,
        "warning",
        f"vLLM {version}; this bundle was tried with {TRIED_VERSION}",
        "If something behaves oddly, compare with that version.",
    )


async def _health(server: "_Server") -> Finding:
    status = await server.status("/health")
    if status == 200:
        return Finding(server.name, "ok", "its engine lives")
    return Finding(
        server.name,
        "fault",
        f"/health answers {status}: the engine behind the server is dead or not yet there",
        "Look at its log; a server whose engine has died has to be started again.",
    )


async def _completion(server: "_Server", model: str) -> Finding:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
        "temperature": 0,
    }
    begun = asyncio.get_running_loop().time()
    answer = await server.json("POST", "/v1/chat/completions", body, _COMPLETION_S)
    seconds = asyncio.get_running_loop().time() - begun
    layout = layout_of(str(answer.get("system_fingerprint") or ""))
    shown = layout or "one process"
    if server.layout is not None and layout != server.layout:
        return Finding(
            server.name,
            "fault",
            f"{model} answers, but is laid out as {shown} instead of {server.layout or 'one process'}",
            "Start all hosts of the cluster with the commands of one `hoheit vllm launch`.",
        )
    return Finding(server.name, "ok", f"{model} answers in {seconds:.1f} s ({shown})")


async def _tools(server: "_Server", model: str) -> Finding:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
        "tools": [_TOOL],
        "tool_choice": "auto",
    }
    status, _ = await server.ask("POST", "/v1/chat/completions", body, _COMPLETION_S)
    if status == 200:
        return Finding(server.name, "ok", f"{model} may call tools")
    return Finding(
        server.name,
        "warning",
        f"{model} may not call tools",
        "Start it with --enable-auto-tool-choice and the --tool-call-parser of its family; until then the adapter "
        "reads calls out of the text.",
    )


def _room(server: "_Server", load: Load, longest: int) -> Finding:
    tokens = load.kv_cache_tokens
    if tokens is None:
        return Finding(
            server.name, "warning", "it does not tell how many tokens it holds", "Look at its log."
        )
    found = f"holds the keys and values of {tokens:,} tokens; one chat may have {longest:,}"
    if tokens < 2 * longest:
        return Finding(
            server.name,
            "warning",
            f"{found}, so that long ones wait for each other",
            "Give it more memory (--gpu-memory-utilization, VLLM_CPU_KVCACHE_SPACE), or a smaller "
            "--max-model-len.",
        )
    return Finding(server.name, "ok", found)


def layout_of(fingerprint: str) -> str:
    """The layout in vLLM's `system_fingerprint`, as `tp2-pp2`; empty for one process alone.

    Its form is `vllm-<version>[-<parallelism>]-<hash>` (vLLM, `--fingerprint-mode full`).
    """
    return "-".join(fingerprint.split("-")[2:-1])


class _Server:
    """Asks one server; everything that it does not answer as it should becomes a CheckError."""

    def __init__(self, session: aiohttp.ClientSession, target: Target) -> None:
        self.name, self.layout = target.name, target.layout
        self._session = session
        self._root = target.base_url.rstrip("/").removesuffix("/v1")

    async def status(self, path: str) -> int:
        return (await self.ask("GET", path, None, _QUICK_S))[0]

    async def text(self, path: str) -> str:
        status, text = await self.ask("GET", path, None, _QUICK_S)
        self._require(status, path, text)
        return text

    async def json(
        self, method: str, path: str, body: Any = None, timeout_s: float = _QUICK_S
    ) -> Any:
        status, text = await self.ask(method, path, body, timeout_s)
        self._require(status, path, text)
        try:
            return json.loads(text)
        except ValueError:
            raise CheckError(
                f"{path} answers something else than JSON: {text[:80]!r}.",
                "Is it vLLM that listens there?",
            ) from None

    async def ask(self, method: str, path: str, body: Any, timeout_s: float) -> tuple[int, str]:
        """Status and text of what it answers. Raises CheckError where it does not."""
        try:
            async with self._session.request(
                method,
                self._root + path,
                json=body,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as response:
                return response.status, await response.text()
        except TimeoutError:
            raise CheckError(
                f"{path} does not answer within {timeout_s:.0f} s.",
                "A part of the cluster may hang: look at the logs of all its hosts, and start them again.",
            ) from None
        except aiohttp.ClientError as error:
            raise CheckError(
                f"{self._root} cannot be reached: {error}.",
                "Is the server running, and does its --host let others in?",
            ) from None

    def _require(self, status: int, path: str, text: str) -> None:
        if status == 401:
            raise CheckError(f"{path} wants another key.", "Name the right one (--key-file).")
        if status == 404 and path == "/version":
            raise CheckError(f"{self._root} is no vLLM server.", "Name the address of one.")
        if status != 200:
            raise CheckError(
                f"{path} answers {status}: {text[:200]}",
                "Look at its log; a server whose engine has died has to be started again.",
            )

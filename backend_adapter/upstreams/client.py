"""Asks one upstream."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import aiohttp
import msgspec

from backend_adapter.chat.plain import plain_text
from backend_adapter.errors import AdapterError
from backend_adapter.settings import AdapterSettings, UpstreamSettings
from backend_adapter.upstreams import faults
from backend_adapter.upstreams.answer import UpstreamAnswer
from backend_adapter.upstreams.bodies import prepare

_MAX_MODEL_LIST_BYTES = 4 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_MAX_MODELS = 1000
_MAX_CONNECTIONS = 1024
# Servers built on uvicorn, vLLM among them, close a connection that is idle for 5 s; one that is just
# being closed must not be used again.
_KEEP_CONNECTION_S = 4


class Connections(NamedTuple):
    """The ways to all upstreams: over a kept connection where there is one, or always over a new one."""

    kept: aiohttp.ClientSession
    new: aiohttp.ClientSession


@asynccontextmanager
async def open_connections(connect_timeout_s: float) -> AsyncIterator[Connections]:
    """The connections to all upstreams: no cookies, no proxies from the environment."""
    kept = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, keepalive_timeout=_KEEP_CONNECTION_S)
    new = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, force_close=True)
    async with (
        _session(kept, connect_timeout_s) as over_kept,
        _session(new, connect_timeout_s) as over_new,
    ):
        yield Connections(over_kept, over_new)


def _session(connector: aiohttp.TCPConnector, connect_timeout_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout_s),
        headers={"User-Agent": "hoheit", "Accept-Encoding": "identity"},
        auto_decompress=False,
    )


class Upstream:
    """One server that answers; many requests may use it at once."""

    def __init__(
        self, settings: UpstreamSettings, connections: Connections, limits: AdapterSettings
    ) -> None:
        self.name = settings.name
        self.configured_models = settings.models
        self._settings = settings
        self._connections = connections
        self._limits = limits
        self._base_url = settings.base_url.rstrip("/")
        self._headers: dict[str, str] = {}
        if settings.api_key is not None:
            self._headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"

    async def models(self) -> tuple[str, ...]:
        """Ask which models it offers now. Raises AdapterError when it cannot be used."""
        configured = self.configured_models
        limit = 2 * self._limits.connect_timeout_s
        try:
            async with (
                asyncio.timeout(limit),
                self._connections.kept.get(
                    f"{self._base_url}/models", headers=self._headers, allow_redirects=False
                ) as response,
            ):
                # Some servers have no list; that they answer is enough where the names are configured.
                if response.status in (404, 405) and configured:
                    return configured
                if response.status != 200:
                    raise faults.refusal(self.name, response.status, b"")
                raw = await _read(response, _MAX_MODEL_LIST_BYTES)
        except aiohttp.ConnectionTimeoutError:
            raise faults.no_connection(self.name, self._limits.connect_timeout_s) from None
        except TimeoutError:
            raise faults.too_slow(
                self.name, "did not list its models", limit, "connect_timeout_s"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise faults.unreachable(self.name, error) from None
        return configured or self._listed(raw)

    def _listed(self, raw: bytes) -> tuple[str, ...]:
        try:
            listed = msgspec.json.decode(raw, type=_ModelList).data
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise faults.unreadable(self.name, "a model list that cannot be read") from None
        names = dict.fromkeys(model.id for model in listed)
        usable = [name for name in names if name and plain_text(name, 256) == name]
        if not usable:
            raise faults.unreadable(self.name, "a list of no models")
        return tuple(usable[:_MAX_MODELS])

    @asynccontextmanager
    async def ask(
        self, path: str, body: Mapping[str, Any], choices: int
    ) -> AsyncIterator[UpstreamAnswer]:
        """POST `body` to `path` and hold the answer open; leaving early aborts it at the upstream.

        Raises RequestError where the upstream finds the request at fault, and UpstreamError where the
        upstream is.
        """
        limits = self._limits
        deadline = asyncio.get_running_loop().time() + limits.first_token_timeout_s
        response = await self._post(path, body, deadline)
        try:
            if response.status != 200:
                raise await self._refusal(response)
            if response.content_type != "text/event-stream":
                kind = plain_text(response.content_type, 60)
                raise faults.unreadable(self.name, f"{kind} instead of an event stream")
            answer = UpstreamAnswer(
                self.name,
                response.content,
                choices=choices,
                first_token_deadline=deadline,
                first_token_timeout_s=limits.first_token_timeout_s,
                stall_timeout_s=limits.stall_timeout_s,
            )
            yield answer
            await answer.drain()
        finally:
            response.close()

    async def _post(
        self, path: str, body: Mapping[str, Any], deadline: float
    ) -> aiohttp.ClientResponse:
        limits = self._limits
        send = partial(
            aiohttp.ClientSession.post,
            url=f"{self._base_url}/{path}",
            data=msgspec.json.encode(prepare(body, self._settings.engine)),
            headers={
                **self._headers,
                "Content-Type": "application/json",
                "Accept": "text/event-stream",
            },
            allow_redirects=False,
        )
        try:
            async with asyncio.timeout_at(deadline):
                try:
                    return await send(self._connections.kept)
                except aiohttp.ClientConnectorError:
                    raise
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # A kept connection that the server has closed meanwhile: llama.cpp does so after
                    # every stream, without announcing it. Asking again changes nothing there.
                    return await send(self._connections.new)
        except aiohttp.ConnectionTimeoutError:
            raise faults.no_connection(self.name, limits.connect_timeout_s) from None
        except TimeoutError:
            raise faults.too_slow(
                self.name,
                "did not begin to answer",
                limits.first_token_timeout_s,
                "first_token_timeout_s",
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise faults.unreachable(self.name, error) from None

    async def _refusal(self, response: aiohttp.ClientResponse) -> AdapterError:
        body = b""
        if response.status in (*faults.REQUEST_FAULTS, faults.OVERLOADED):
            with suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(self._limits.connect_timeout_s):
                    body = await _read(response, _MAX_ERROR_BYTES)
        return faults.refusal(self.name, response.status, body)


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The first `limit` bytes of a body; what follows is left, so a longer one does not parse."""
    read = bytearray()
    async for piece in response.content.iter_any():
        read += piece
        if len(read) >= limit:
            break
    return bytes(read[:limit])

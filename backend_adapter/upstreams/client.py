"""Asks one upstream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import msgspec

from backend_adapter.chat.plain import plain_text
from backend_adapter.errors import AdapterError, UpstreamError
from backend_adapter.settings import AdapterSettings, UpstreamSettings
from backend_adapter.upstreams import faults
from backend_adapter.upstreams.answer import UpstreamAnswer
from backend_adapter.upstreams.bodies import prepare
from backend_adapter.upstreams.http import (
    Connections,
    HttpError,
    NoConnectionError,
    Response,
    build_head,
    split_url,
)
from backend_adapter.upstreams.swarm import SwarmReport, read_report

_MAX_MODEL_LIST_BYTES = 4 * 1024 * 1024
# The report of a swarm, and a server's figures.
_MAX_REPORT_BYTES = 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_MAX_JSON_BYTES = 256 * 1024 * 1024
_MAX_MODELS = 1000


# Told of the bytes of a request before they are sent; where it raises, nothing is.
Sending: TypeAlias = Callable[[UpstreamSettings, bytes], Awaitable[None]]


class Upstream:
    """One server that answers; many requests may use it at once."""

    def __init__(
        self, settings: UpstreamSettings, connections: Connections, limits: AdapterSettings
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.configured_models = settings.models
        self.limits = limits
        self._connections = connections
        self._origin, self._path = split_url(settings.base_url)
        self._beside = self._path.removesuffix("/v1")
        self._headers = {"User-Agent": "hoheit", "Accept-Encoding": "identity"}
        if settings.api_key is not None:
            self._headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"

    async def models(self) -> tuple[str, ...]:
        """Ask which models it offers now. Raises AdapterError when it cannot be used."""
        configured = self.configured_models
        limit = 2 * self.limits.connect_timeout_s
        deadline = asyncio.get_running_loop().time() + limit
        try:
            response = await self._request(
                "GET", f"{self._path}/models", None, deadline, "application/json"
            )
            try:
                # Some servers have no list; that they answer is enough where the names are configured.
                if response.status in (404, 405) and configured:
                    return configured
                if response.status != 200:
                    raise faults.refusal(self.name, response.status, b"")
                raw = await _read(response, _MAX_MODEL_LIST_BYTES)
            finally:
                self._release(response)
        except TimeoutError:
            raise faults.too_slow(
                self.name, "did not list its models", limit, "connect_timeout_s"
            ) from None
        except HttpError as error:
            raise self._unreachable(error) from None
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

    async def swarm(self) -> SwarmReport | None:
        """Ask a gateway to a swarm how that is; None where it does not tell. Raises TimeoutError."""
        try:
            status, raw = await self._get_beside("swarm", "application/json")
        except HttpError:
            return None
        return read_report(raw) if status == 200 else None

    async def check_engine(self) -> None:
        """Ask a vLLM server whether its engine lives; one that has no such path counts as alive.

        Raises UpstreamError where the engine is dead or the server cannot be reached, and TimeoutError.
        """
        try:
            status, _ = await self._get_beside("health", "*/*")
        except HttpError as error:
            raise self._unreachable(error) from None
        if status == 503:
            raise faults.engine_dead(self.name)

    async def figures(self) -> bytes:
        """A server's figures in Prometheus' format; nothing where it tells none. Raises TimeoutError."""
        try:
            status, raw = await self._get_beside("metrics", "text/plain")
        except HttpError:
            return b""
        return raw if status == 200 else b""

    async def _get_beside(self, path: str, accept: str) -> tuple[int, bytes]:
        """Status and body of a path of the server itself, outside its OpenAI API.

        Raises HttpError and TimeoutError.
        """
        deadline = asyncio.get_running_loop().time() + self.limits.connect_timeout_s
        response = await self._request("GET", f"{self._beside}/{path}", None, deadline, accept)
        try:
            return response.status, await _read(response, _MAX_REPORT_BYTES)
        finally:
            self._release(response)

    async def ask(
        self, path: str, body: Mapping[str, Any], choices: int, sending: Sending | None = None
    ) -> UpstreamAnswer:
        """POST `body` to `path` and return the answer that begins; whoever gets it must `close` it.

        Raises RequestError where the upstream finds the request at fault, and UpstreamError where the
        upstream is.
        """
        limits = self.limits
        prepared = msgspec.json.encode(prepare(body, self.settings.engine))
        response = await self._post(f"{self._path}/{path}", prepared, "text/event-stream", sending)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream":
            self._release(response)
            shown = plain_text(kind, 60) or "no content type"
            raise faults.unreadable(self.name, f"{shown} instead of an event stream")
        return UpstreamAnswer(
            self.name,
            response,
            self._release,
            choices=choices,
            first_token_timeout_s=limits.first_token_timeout_s,
            stall_timeout_s=limits.stall_timeout_s,
        )

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        beside: bool = False,
        sending: Sending | None = None,
    ) -> bytes:
        """POST `body` and return the whole answer of one JSON object.

        `beside` means a path of the server itself, outside its OpenAI API. Raises as `ask` does.
        """
        where = self._beside if beside else self._path
        response = await self._post(
            f"{where}/{path}", msgspec.json.encode(body), "application/json", sending
        )
        try:
            return await _read(response, _MAX_JSON_BYTES)
        except TimeoutError:
            raise self._no_answer() from None
        except HttpError as error:
            raise self._unreachable(error) from None
        finally:
            self._release(response)

    async def _post(self, path: str, body: bytes, accept: str, sending: Sending | None) -> Response:
        """A response with status 200 whose body is not compressed."""
        if sending is not None:
            await sending(self.settings, body)
        deadline = asyncio.get_running_loop().time() + self.limits.first_token_timeout_s
        try:
            response = await self._request("POST", path, body, deadline, accept)
        except TimeoutError:
            raise self._no_answer() from None
        except HttpError as error:
            raise self._unreachable(error) from None
        if response.status != 200:
            try:
                raise await self._refusal(response)
            finally:
                self._release(response)
        if response.headers.get("content-encoding", "identity") != "identity":
            self._release(response)
            raise faults.unreadable(self.name, "a compressed answer that nobody asked for")
        return response

    async def _request(
        self, method: str, path: str, body: bytes | None, deadline: float, accept: str
    ) -> Response:
        headers = {**self._headers, "Accept": accept}
        if body is not None:
            headers["Content-Type"] = "application/json"
        length = None if body is None else len(body)
        return await self._connections.request(
            self._origin,
            build_head(method, self._origin, path, headers, length),
            body or b"",
            connect_timeout_s=self.limits.connect_timeout_s,
            deadline=deadline,
        )

    def _release(self, response: Response) -> None:
        self._connections.release(self._origin, response)

    async def _refusal(self, response: Response) -> AdapterError:
        body = b""
        says_why = response.status in (*faults.REQUEST_FAULTS, faults.OVERLOADED)
        if says_why or (response.status == 500 and self.settings.engine == "vllm"):
            loop = asyncio.get_running_loop()
            response.hurry(loop.time() + self.limits.connect_timeout_s)
            with suppress(TimeoutError, HttpError):
                body = await _read(response, _MAX_ERROR_BYTES)
        wait = response.headers.get("retry-after", "")
        return faults.refusal(self.name, response.status, body, retry_after=wait)

    def _no_answer(self) -> UpstreamError:
        return faults.too_slow(
            self.name,
            "did not begin to answer",
            self.limits.first_token_timeout_s,
            "first_token_timeout_s",
        )

    def _unreachable(self, error: HttpError) -> UpstreamError:
        if isinstance(error, NoConnectionError):
            return faults.no_connection(self.name, str(error))
        return faults.unreachable(self.name, error)


class _Model(msgspec.Struct):
    id: str


class _ModelList(msgspec.Struct):
    data: list[_Model]


async def _read(response: Response, limit: int) -> bytes:
    """The first `limit` bytes of a body; what follows is left, so a longer one does not parse."""
    read = bytearray()
    while len(read) < limit and (piece := await response.read()):
        read += piece
    return bytes(read[:limit])

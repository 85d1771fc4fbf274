"""What a result holds that must be protected, made known to the adapter before the result is handed out.

A tool says with `label` what it returns: where it comes from, how confidential that is, and each value
of a labelled column. When the tool is done, `Registry` registers that with the adapter under the chat's
id (`POST /v1/site/labels`), and only then the result leaves the server. Fail closed: what cannot be
registered is not returned.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import httpx2

from mcp_servers.audit import Caller
from mcp_servers.errors import LabelError, SettingsError
from mcp_servers.settings import DataClass, Kind, ServerSettings

logger = logging.getLogger(__name__)

MAX_VALUES: Final = 10_000
"""Most values that one request registers; more are sent in several."""

MAX_VALUE_CHARS: Final = 1_000
"""Longest value that can be registered, in characters."""

_TIMEOUT_S: Final = 5.0
# Internal is what unknown data counts as anyway, so the adapter need not hear of it to protect it.
_HARMLESS: Final = frozenset[DataClass]({"public", "internal"})


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is shown in a result, and what it is; dates are ISO 8601."""

    kind: Kind
    text: str


@dataclass(slots=True)
class Source:
    """What a result holds of one root or database."""

    name: str
    data_class: DataClass
    passages: int = 0
    # A dict, for a set that keeps its order.
    values: dict[Value, None] = field(default_factory=dict)


Collected = dict[str, Source]

collected: ContextVar[Collected | None] = ContextVar("collected", default=None)
"""What the running call returns; worker threads see it through their copied context."""


def label(
    source: str, data_class: DataClass, passages: int = 0, values: Iterable[Value] = ()
) -> None:
    """Say that the running call returns something of `source`, as `files/intern` or `databases/town`.

    `passages` counts pieces of a document and results of a query; names and structure are none.
    """
    call = collected.get()
    if call is None:
        return
    known = call.setdefault(source, Source(source, data_class))
    known.passages += passages
    known.values.update(dict.fromkeys(values))


class Registry:
    """The adapter's register of labels; without `labels_url` there is none, and nothing to protect either.

    Raises:
        SettingsError: there is data that must be protected (`why` names it) but no adapter, or no key.
    """

    def __init__(self, server: str, settings: ServerSettings, why: str = "") -> None:
        key = settings.labels_key.get_secret_value() if settings.labels_key else ""
        missing = "labels_key" if settings.labels_url else "labels_url"
        if (why or settings.labels_url) and not (settings.labels_url and key):
            raise SettingsError(
                f"{why or f'{server}.labels_url is set'}, but {server}.{missing} is not: "
                "nobody could protect what the server returns.",
                f"Set {server}.labels_url to the adapter's address and {server}.labels_key to its key.",
            )
        self._server = server
        self._url = f"{(settings.labels_url or '').rstrip('/')}/v1/site/labels"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._there = bool(settings.labels_url)
        self._client: httpx2.AsyncClient | None = None

    async def aclose(self) -> None:
        """Close the connections; the next registration opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def register(self, caller: Caller, sources: Collected, text: str) -> None:
        """Register everything that a call collected; `text` is what it returns.

        What holds nothing of any source is registered as well: the adapter keeps a chat on site whose
        results nobody told it about.

        Raises:
            LabelError: it is not registered, so nothing may be returned.
        """
        if self._there and caller.chat is not None:
            digest = digest_of(text)
            for source in sources.values() or (Source(self._server, "public"),):
                await self._send(caller, source, digest)
            return
        # What needs no protection is returned to other clients as well.
        if all(each.data_class in _HARMLESS and not each.values for each in sources.values()):
            return
        raise LabelError(
            "The result holds protected data, and the caller did not say for which chat, so nobody could "
            "protect it on its way to a model.",
            "Send the chat's id in the header X-Hoheit-Chat-Id, or ask for data without labels."
            if self._there
            else "Set labels_url and labels_key of this server.",
        )

    async def _send(self, caller: Caller, source: Source, digest: str) -> None:
        values = [{"kind": value.kind, "text": value.text} for value in source.values]
        for start in range(0, max(len(values), 1), MAX_VALUES):
            body = {
                "chat": caller.chat,
                "user": caller.user,
                "message": caller.message,
                "source": source.name,
                "class": source.data_class,
                # Each passage is counted once, however many requests its values need.
                "passages": 0 if start else source.passages,
                "digest": digest,
                "values": values[start : start + MAX_VALUES],
            }
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    answer = await self._post(body)
            except TimeoutError:
                raise _failed(f"did not answer within {_TIMEOUT_S:g} seconds") from None
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise _failed(f"cannot be reached ({type(error).__name__})") from None
            _must_be_registered(answer)

    async def _post(self, body: Mapping[str, object]) -> httpx2.Response:
        if self._client is None:
            # No proxy stands between two parts of a site.
            self._client = httpx2.AsyncClient(timeout=_TIMEOUT_S, trust_env=False)
        try:
            return await self._client.post(self._url, json=body, headers=self._headers)
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError):
            # The adapter may have closed a connection that was idle; to register twice does no harm.
            return await self._client.post(self._url, json=body, headers=self._headers)


def digest_of(text: str) -> str:
    """What a result is known by in the copy of a chat, whatever white space a client adds or takes away."""
    return hashlib.sha256("".join(text.split()).encode()).hexdigest()


def _must_be_registered(answer: httpx2.Response) -> None:
    if answer.status_code != HTTPStatus.CREATED:
        raise _failed(f"answered with status {answer.status_code}")
    try:
        said = answer.json()
    except ValueError:
        said = None
    number = said.get("registered") if isinstance(said, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise _failed("gave an answer that says nothing about labels")


def _failed(how: str) -> LabelError:
    logger.error("labels not registered", extra={"fields": {"event": "unregistered", "why": how}})
    return LabelError(
        f"The result's labels could not be registered, so it is not returned: the adapter {how}.",
        "Try again; if it stays so, see whether the adapter runs, and compare labels_url and labels_key.",
    )

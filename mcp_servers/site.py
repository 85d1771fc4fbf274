"""What the site's servers share: one conduct for every tool call.

A call waits its turn, ends in time, returns no more than the settings allow and nothing whose
labels are not registered, fails with a text made for its reader, and leaves one audit line. Tools
stay plain typed functions that return text and raise `SiteError`.
"""

import asyncio
import contextvars
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from mcp.server import MCPServer
from mcp.server.caching import CacheHint
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp_types import CallToolResult, InputRequiredResult, TextContent, ToolAnnotations
from starlette.requests import Request

from mcp_servers.audit import Call, Caller, current_call
from mcp_servers.errors import LabelError, LimitError, SiteError
from mcp_servers.labels import Collected, Registry, collected
from mcp_servers.settings import ServerSettings

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)

# At INFO the SDK logs the text of every tool error, and that text can quote the caller's query.
logging.getLogger("mcp.server.mcpserver.server").setLevel(logging.WARNING)

READ_ONLY = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

Health = Callable[[], Mapping[str, object]]
Lifespan = Callable[[MCPServer[None]], AbstractAsyncContextManager[None]]


class SiteServer(MCPServer[None]):
    """An MCP server whose every tool call is bounded, labelled and audited.

    `health` returns the facts that GET /health shows; they are public, so they hold counts only.
    `protects` names data of this server that must not be returned without an adapter; empty if there is none.

    Raises:
        SettingsError: there is such data, and no adapter is configured.
    """

    def __init__(
        self,
        name: str,
        instructions: str,
        settings: ServerSettings,
        *,
        health: Health = dict,
        lifespan: Lifespan | None = None,
        protects: str = "",
    ) -> None:
        self._registry = Registry(name, settings, protects)

        @asynccontextmanager
        async def life(server: MCPServer[None]) -> AsyncIterator[None]:
            async with (lifespan or _no_lifespan)(server), aclosing(self._registry):
                yield

        super().__init__(
            name,
            instructions=instructions,
            version=version("hoheit"),
            lifespan=life,
            log_level="WARNING",
            # The tools are fixed for the life of the process and the same for every caller.
            cache_hints={"tools/list": CacheHint(ttl_ms=60_000, scope="public")},
        )
        self.health = health
        self._limits = settings
        self._slots = asyncio.Semaphore(settings.max_concurrent_calls)
        self._waiting = 0
        # Work that outlives its call's timeout keeps its thread, never the event loop.
        self._threads = ThreadPoolExecutor(settings.max_concurrent_calls, thread_name_prefix=name)

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work in one of the server's own threads, with the call's context."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: context.run(work, *args, **kwargs)
        )

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Run one tool within the limits, register what it returns, and audit it.

        Raises:
            ToolError: with a text for the model and the user, never with a crash's own text.
        """
        known = {tool.name for tool in await self.list_tools()}
        call = Call(self.name, name if name in known else "(unknown)", _caller(context))
        labels: Collected = {}
        token, labels_token = current_call.set(call), collected.set(labels)
        try:
            try:
                async with asyncio.timeout(self._limits.call_timeout_s), self._turn():
                    result = await super().call_tool(name, arguments, context)
                    text = ""
                    if isinstance(result, CallToolResult):
                        text = _cap(result, self._limits.max_result_chars)
                    await self._registry.register(call.caller, labels, text)
            except (TimeoutError, LimitError, ToolError) as error:
                call.status, text = self._explain(error, name)
                # What a refusal says may come from the data as well.
                await self._registry.register(call.caller, labels, text)
                raise ToolError(text) from None
            call.chars = len(text)
            return result
        except LabelError as error:
            call.status = "unregistered"
            raise ToolError(str(error)) from None
        except asyncio.CancelledError:
            call.status = "cancelled"
            raise
        finally:
            current_call.reset(token)
            collected.reset(labels_token)
            call.write()

    def _explain(self, error: Exception, tool: str) -> tuple[str, str]:
        """Status and text for how a call ended."""
        if isinstance(error, TimeoutError):
            limit = self._limits.call_timeout_s
            return "timeout", (
                f"The call took longer than {limit:g} seconds and was stopped. Ask for less at a time."
            )
        if isinstance(error, UnexpectedToolError):
            return _explain(error.__cause__, tool)
        return ("busy" if isinstance(error, LimitError) else "invalid"), str(error)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._slots.locked() and self._waiting >= self._limits.max_waiting_calls:
            raise LimitError("The server is busy.", "Try again in a moment.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


@asynccontextmanager
async def _no_lifespan(_server: MCPServer[None]) -> AsyncIterator[None]:
    yield


def _caller(context: Context[None, Any] | None) -> Caller:
    """The caller that the HTTP headers name; nobody on stdio, where the parent process calls."""
    if context is None:
        return Caller()
    request = context.request_context.request
    return Caller.from_headers(request.headers) if isinstance(request, Request) else Caller()


def _explain(cause: BaseException | None, tool: str) -> tuple[str, str]:
    """Status and text for what a tool raised; a crash is logged by type and place only."""
    if isinstance(cause, SiteError):
        return "refused", str(cause)
    frames = traceback.extract_tb(cause.__traceback__) if cause else []
    logger.error(
        "tool crashed",
        extra={
            "fields": {
                "tool": tool,
                "error": type(cause).__name__,
                "where": [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-3:]],
            }
        },
    )
    return "crashed", f"The tool {tool} failed inside the server. Its log says where."


def _cap(result: CallToolResult, limit: int) -> str:
    """Cut the result's text to `limit` characters, as a backstop behind the tools' own paging; gives the text."""
    total = 0
    for block in result.content:
        if isinstance(block, TextContent):
            if total + len(block.text) > limit:
                block.text = block.text[: max(limit - total, 0)] + "\n[cut: result too long]"
            total += len(block.text)
    return "".join(block.text for block in result.content if isinstance(block, TextContent))

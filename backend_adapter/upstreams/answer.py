"""An upstream's answer, read as it comes.

Once an answer has begun nothing is raised any more: it ends in a Failure event, so that everything that
reads the events can still give out what it has.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import Event, Failure
from backend_adapter.chat.sse import EventTooLongError, SseParser
from backend_adapter.errors import UpstreamError
from backend_adapter.upstreams import faults

# An answer longer than this is a runaway: it is hundreds of thousands of tokens, chunk by chunk.
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
# How long to wait for the end of the HTTP body after the end of the answer, in seconds.
_TRAILER_TIMEOUT_S = 1.0


class UpstreamAnswer:
    """An answer that has begun: `upstream` is the name of who gives it."""

    def __init__(
        self,
        upstream: str,
        content: aiohttp.StreamReader,
        *,
        choices: int,
        first_token_deadline: float,
        first_token_timeout_s: float,
        stall_timeout_s: float,
    ) -> None:
        self.upstream = upstream
        self._content = content
        self._decoder = ChunkDecoder(upstream, choices)
        self._parser = SseParser()
        self._deadline = first_token_deadline
        self._first_token_timeout_s = first_token_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._begun = False

    async def events(self) -> AsyncIterator[Event]:
        """Yield the events to the answer's end; the last is a Failure unless it is complete."""
        decoder, received = self._decoder, 0
        try:
            while not decoder.done:
                async with asyncio.timeout_at(self._deadline):
                    piece = await self._content.readany()
                if not piece:
                    break
                received += len(piece)
                if received > _MAX_ANSWER_BYTES:
                    yield _failure(faults.unreadable(self.upstream, "an endless stream"))
                    return
                for data in self._parser.feed(piece):
                    for event in decoder.feed(data):
                        self._begun = True
                        yield event
                    if decoder.done:
                        return
                    self._postpone()
        except TimeoutError:
            yield _failure(self._too_slow())
        except EventTooLongError as error:
            yield _failure(faults.unreadable(self.upstream, f"a stream of which {error}"))
        except (aiohttp.ClientError, OSError) as error:
            yield _failure(faults.unreachable(self.upstream, error))
        else:
            for event in decoder.close():
                yield event

    def _postpone(self) -> None:
        """Progress was made. Comments are none: a server that hangs may go on sending them."""
        if self._begun:
            self._deadline = asyncio.get_running_loop().time() + self._stall_timeout_s

    def _too_slow(self) -> UpstreamError:
        if self._begun:
            what, limit, setting = "sent nothing more", self._stall_timeout_s, "stall_timeout_s"
        else:
            what, limit, setting = (
                "did not begin to answer",
                self._first_token_timeout_s,
                "first_token_timeout_s",
            )
        return faults.too_slow(self.upstream, what, limit, setting)

    async def drain(self) -> None:
        """Read past the end of the answer, so that its connection can serve another request."""
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(_TRAILER_TIMEOUT_S):
                await self._content.readany()


def _failure(error: UpstreamError) -> Failure:
    return Failure(str(error), code=error.code, status=error.status)

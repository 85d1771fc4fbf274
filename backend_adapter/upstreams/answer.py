"""An upstream's answer, read as it comes.

Once an answer has begun nothing is raised any more: it ends in a Failure event, so that everything that
reads the events can still give out what it has.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from backend_adapter.chat.decode import ChunkDecoder
from backend_adapter.chat.events import Event, Failure
from backend_adapter.chat.sse import SseParser
from backend_adapter.chat.text_lane import TextLane
from backend_adapter.errors import UpstreamError
from backend_adapter.upstreams import faults
from backend_adapter.upstreams.http import HttpError, Response

# An answer longer than this is a runaway: it is hundreds of thousands of tokens, chunk by chunk.
_MAX_ANSWER_BYTES = 256 * 1024 * 1024
# How long to wait for the end of the HTTP body after the end of the answer, in seconds.
_TRAILER_TIMEOUT_S = 1.0


class UpstreamAnswer:
    """An answer whose response has begun: `upstream` is the name of who gives it.

    `tokens` are the token ids that came with it, where the engine gives them. `begun` is set with the
    first event.
    """

    def __init__(
        self,
        upstream: str,
        response: Response,
        release: Callable[[Response], None],
        *,
        choices: int,
        first_token_timeout_s: float,
        stall_timeout_s: float,
    ) -> None:
        self.upstream = upstream
        self.begun = False
        self._decoder = ChunkDecoder(upstream, choices)
        self.tokens = self._decoder.tokens
        self._response = response
        self._release = release
        self._parser = SseParser()
        self._time = asyncio.get_running_loop().time
        self._received = 0
        self._left: list[Event] = []
        self._first_token_timeout_s = first_token_timeout_s
        self._stall_timeout_s = stall_timeout_s

    async def read(self) -> list[Event]:
        """The next events; empty after the last, which is a Failure unless the answer is complete."""
        decoder = self._decoder
        events, self._left = self._left, []
        try:
            while not events and not decoder.done:
                piece = await self._response.read()
                if not piece:
                    return decoder.close()
                self._take(piece, events)
        except TimeoutError:
            return [self._failure(self._too_slow())]
        except HttpError as error:
            return [self._failure(faults.unreachable(self.upstream, error))]
        return events

    async def flow(
        self, sink: Callable[[list[Event]], bool], say: Callable[[str], bool] | None
    ) -> None:
        """Hand events to `sink` the moment they arrive, as long as it wants them and all is well.

        A piece of text, which nearly every chunk is, goes to `say` as it is, where there is one: so much
        is done for each chunk that every step saved counts. Whatever else there is, the end of the answer
        included, the next `read` tells.
        """
        lane, parser, response = TextLane(self._decoder), self._parser, self._response
        read, time, patience = lane.read, self._time, self._stall_timeout_s
        between_events = parser.between_events

        def take(piece: bytes) -> bool:
            nonlocal between_events
            if (
                between_events
                and say is not None
                and self._received < _MAX_ANSWER_BYTES
                and (text := read(piece)) is not None
            ):
                self._received += len(piece)
                response.deadline = time() + patience
                return say(text)
            lane.forget()
            events: list[Event] = []
            self._take(piece, events)
            between_events = parser.between_events
            if self._decoder.done:
                self._left = events
                return False
            return not events or sink(events)

        if not (self._decoder.done or self._left):
            await self._response.flow(take)

    def _take(self, piece: bytes, events: list[Event]) -> None:
        decoder, parser = self._decoder, self._parser
        known = len(decoder.tokens.generated)
        for data in parser.feed(piece):
            decoder.feed(data, events)
            if decoder.done:
                return
        self._received += len(piece)
        if parser.too_long is not None:
            what = f"a stream of which {parser.too_long}"
            events.append(self._failure(faults.unreadable(self.upstream, what)))
        elif self._received > _MAX_ANSWER_BYTES:
            events.append(self._failure(faults.unreadable(self.upstream, "an endless stream")))
        elif events or len(decoder.tokens.generated) > known:
            # Comments and empty chunks are no progress: a server that hangs may go on sending them.
            deadline = self._time() + self._stall_timeout_s
            if self.begun:
                self._response.deadline = deadline
            else:
                self.begun = True
                self._response.hurry(deadline)

    def _too_slow(self) -> UpstreamError:
        if self.begun:
            what, limit, setting = "sent nothing more", self._stall_timeout_s, "stall_timeout_s"
        else:
            what, limit, setting = (
                "did not begin to answer",
                self._first_token_timeout_s,
                "first_token_timeout_s",
            )
        return faults.too_slow(self.upstream, what, limit, setting)

    def _failure(self, error: UpstreamError) -> Failure:
        self._decoder.done = True
        return Failure(str(error), code=error.code, status=error.status)

    async def close(self) -> None:
        """End it: an answer that is not over is aborted at the upstream."""
        try:
            if self._decoder.complete:
                # Reading past its end lets the connection serve another request.
                self._response.hurry(self._time() + _TRAILER_TIMEOUT_S)
                with suppress(TimeoutError, HttpError):
                    while await self._response.read():
                        pass
        finally:
            self._release(self._response)

"""A TCP proxy that delays what passes it as a link would."""

import asyncio
import contextlib
from types import TracebackType

from benchmarks.wan.links import Course, Link

_PIECE = 65536
# Pieces under way in one direction; who sends more waits, as with a full window.
_UNDER_WAY = 256
_ACCEPTING_S = 0.05
# Of the loop: what was accepted before is made known, and what is aborted has ended, well within so many.
_ROUNDS = 10


class Proxy:
    """Takes connections on a free port of this machine (`port`) and carries them to `target`.

    `carried` counts the bytes of both directions as they enter it.
    """

    def __init__(self, target: int, link: Link) -> None:
        self._target, self._link = target, link
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.carried = 0

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None  # noqa: S101 - it was entered
        self._server.close()
        # What was accepted a moment ago becomes a task only after some rounds of the loop.
        await asyncio.sleep(_ACCEPTING_S)
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        while self._open:
            self.cut()
            await asyncio.wait(self._open)
        # One that was closing waited for whoever does not read any more.
        for writer in self._writers:
            writer.transport.abort()
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)

    def cut(self) -> None:
        """End every connection now; what is under way is lost. New ones can be made."""
        for task in self._open:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Called in the moment of a connection, so that none is forgotten, whenever it is cut."""
        self._writers.add(writer)
        task = asyncio.create_task(self._connect(reader, writer))
        self._open.add(task)

        def over(ended: asyncio.Task[None]) -> None:
            self._open.discard(ended)
            if ended.cancelled() or ended.cancelling():
                writer.transport.abort()
                self._writers.discard(writer)
            else:
                writer.close()

        task.add_done_callback(over)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - it runs as one
        far: asyncio.StreamWriter | None = None
        # A connection that breaks, or is cut, ends on both sides.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            try:
                back, far = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(far)
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(reader, far))
                    both.create_task(self._carry(back, writer))
            except* OSError:
                pass
            finally:
                if far is not None:
                    far.transport.abort() if task.cancelling() else far.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        course = Course(self._link, clock())
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)

        async def read() -> None:
            while True:
                piece = await reader.read(_PIECE)
                self.carried += len(piece)
                await under_way.put((course.leaves(clock(), len(piece)), piece))
                if not piece:
                    return

        async with asyncio.TaskGroup() as both:
            both.create_task(read())
            while True:
                leaves, piece = await under_way.get()
                if (wait := leaves - clock()) > 0:
                    await asyncio.sleep(wait)
                if not piece:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(piece)
                await writer.drain()

"""A client of a swarm as a process, which asks as many users at once as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.wan.programs import MODEL_ID, started
from hoheit.errors import HoheitError

Client = Literal["ours", "stock", "alone"]
# The longest that a number of users may take, and that a client may take to join.
_ANSWER_S = 300.0
_END_S = 10.0


class BrokeOffError(HoheitError):
    """A client ended, or says nothing any more."""


@dataclass(frozen=True)
class Answers:
    """Of all users: seconds from the first question to the last answer's end, and the tokens of each answer."""

    seconds: float
    ids: list[list[int]]

    @property
    def tokens(self) -> int:
        return sum(map(len, self.ids))


@dataclass(frozen=True)
class Asking:
    """The running process."""

    name: str
    process: asyncio.subprocess.Process

    async def ask(self, users: int) -> Answers:
        """The answers to so many users at once. Raises BrokeOffError where the client ends or hangs."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(b"%d\n" % users)
        with suppress(ConnectionError):
            await self.process.stdin.drain()
        return Answers(**json.loads(await self.line()))

    async def line(self) -> bytes:
        """The next line that it says. Raises BrokeOffError where there is none."""
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            found = await asyncio.wait_for(self.process.stdout.readline(), _ANSWER_S)
        except TimeoutError:
            raise BrokeOffError(f"{self.name} said nothing for {_ANSWER_S:.0f} s.") from None
        if not found:
            raise BrokeOffError(f"{self.name} ended; see above why.")
        return found


@asynccontextmanager
async def asking(
    client: Client,
    python: Path,
    model: Path,
    peers: Sequence[str],
    *,
    text: str,
    users: int,
    tokens: int,
) -> AsyncIterator[Asking]:
    """A client that has joined the swarm and can ask up to so many users, for answers of so many tokens.

    Raises BrokeOffError where it does not join.
    """
    given = {
        "client": client,
        "model": str(model),
        "model_id": MODEL_ID,
        "peers": list(peers),
        "text": text,
        "users": users,
        "tokens": tokens,
    }
    async with started(python, ["-m", "benchmarks.users.asking"], given) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        running = Asking(f"The client ({client})", process)
        if await running.line() != b"joined\n":
            raise BrokeOffError(f"{running.name} does not join the swarm.")
        yield running
        # It leaves the swarm by itself then.
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_S)

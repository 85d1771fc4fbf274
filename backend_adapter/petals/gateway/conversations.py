"""Sessions kept between the turns of a chat, found again by the tokens that they hold."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from backend_adapter.petals.errors import SwarmError

log = logging.getLogger(__name__)

# Sessions get room in steps of so many tokens, so that a next turn usually fits too.
_ROOM_STEP = 512
_CLOSE_S = 5.0
# Until the nodes have heard that a conversation has ended, in seconds.
_FREED_S = 0.3


class Session(Protocol):
    """What is needed of `swarm.session.Session`: see there."""

    @property
    def position(self) -> int: ...

    @property
    def rolls_back(self) -> bool: ...

    async def forward(self, ids: Sequence[int], start: int, *, last_only: bool = False) -> Any: ...

    async def close(self) -> None: ...


class Resumed:
    """A session of which the first `start` tokens are to be used, as what a decoder goes on with."""

    def __init__(self, session: Session, start: int) -> None:
        self._session = session
        self._start: int | None = start

    @property
    def position(self) -> int:
        """How many tokens need not be sent again."""
        return self._session.position if self._start is None else self._start

    @property
    def rolls_back(self) -> bool:
        """Whether a step may begin before the last one's end."""
        return self._session.rolls_back

    async def forward(self, ids: Sequence[int], start: int, *, last_only: bool = False) -> Any:
        """As the session's own."""
        self._start = None
        return await self._session.forward(ids, start, last_only=last_only)


@dataclass(eq=False)
class Conversation:
    """A session with room for `room` tokens, and the `tokens` whose keys and values it holds for certain."""

    session: Session
    room: int
    tokens: list[int] = field(default_factory=list)
    used_at: float = 0.0
    common: int = 0

    def resumed(self) -> Resumed:
        """What a decoder is given."""
        return Resumed(self.session, self.common)


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    shorter = min(len(one), len(other))
    low, high = 0, shorter
    # Compared by halves: slices compare in C, and prompts have thousands of tokens.
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def reusable(conversation: Conversation, prompt: Sequence[int], needed: int) -> int:
    """How many of the prompt's tokens need not be sent if the conversation is gone on with; 0 if it cannot be.

    A conversation is not taken for another one that merely begins alike (with the same instructions, say): at least
    half of what it holds must be of use, or the whole prompt be in it.
    """
    if conversation.room < needed:
        return 0
    common = min(common_prefix(conversation.tokens, prompt), len(prompt) - 1)
    if 2 * common < len(conversation.tokens) and common < len(prompt) - 1:
        return 0
    session = conversation.session
    if not session.rolls_back and session.position != common:
        return 0
    return max(0, common)


class Conversations:
    """Opens sessions, keeps at most `most` that nobody uses for `keep_s` seconds, and finds the one to go on with.

    A session is used by one answer at a time: while it is taken, it is not found.
    """

    def __init__(
        self, open_session: Callable[[int], Session], *, most: int, keep_s: float, largest: int
    ) -> None:
        self._open, self._most, self._keep_s, self._largest = open_session, most, keep_s, largest
        self._kept: list[Conversation] = []
        self._taken = 0
        self._returned = asyncio.Event()

    @property
    def kept(self) -> int:
        """How many wait for their next turn."""
        return len(self._kept)

    @property
    def taken(self) -> int:
        """How many are used now."""
        return self._taken

    def take(self, prompt: Sequence[int], needed: int) -> Conversation:
        """A conversation with room for `needed` tokens: the kept one that saves most, or a new one."""
        prompt = list(prompt)
        best = max(self._kept, key=lambda each: reusable(each, prompt, needed), default=None)
        common = reusable(best, prompt, needed) if best is not None else 0
        if best is not None and common:
            self._kept.remove(best)
            best.common = common
        else:
            room = min(self._largest, -(-needed // _ROOM_STEP) * _ROOM_STEP)
            best = Conversation(self._open(room), room)
        self._taken += 1
        return best

    async def give_back(self, conversation: Conversation, sequence: Sequence[int]) -> None:
        """Keep a conversation whose answer has ended; `sequence` is the prompt and all that was generated.

        The last token of an answer has not been sent through the layers, and what lies behind it in the caches are
        drafts that were not taken.
        """
        self._released()
        session = conversation.session
        held = min(session.position, len(sequence) - 1)
        if held <= 0 or not self._most or (not session.rolls_back and held != session.position):
            await close(session)
            return
        conversation.tokens = list(sequence[:held])
        conversation.used_at = asyncio.get_running_loop().time()
        self._kept.append(conversation)
        while len(self._kept) > self._most:
            await self.evict()

    async def drop(self, conversation: Conversation) -> None:
        """Free a conversation of which nobody can say what it holds."""
        self._released()
        await close(conversation.session)

    def _released(self) -> None:
        self._taken -= 1
        self._returned.set()

    async def make_room(self, patience_s: float) -> bool:
        """Free a kept conversation, or wait for an answer to end where none is kept.

        False where none does in time.
        """
        returned = False
        if not self._kept and self._taken:
            self._returned.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    returned = await self._returned.wait()
        if not (await self.evict() or returned):
            return False
        await asyncio.sleep(_FREED_S)
        return True

    async def evict(self) -> bool:
        """Free the kept conversation that was used least recently; False where there is none."""
        if not self._kept:
            return False
        oldest = min(self._kept, key=lambda each: each.used_at)
        self._kept.remove(oldest)
        await close(oldest.session)
        return True

    async def expire(self) -> None:
        """Free those that were kept long enough."""
        due = asyncio.get_running_loop().time() - self._keep_s
        while self._kept and min(each.used_at for each in self._kept) < due:
            await self.evict()

    async def close(self) -> None:
        """Free all that are kept."""
        kept, self._kept = self._kept, []
        await asyncio.gather(*(close(each.session) for each in kept))


async def close(session: Session) -> None:
    """Close a session; a node that is gone cannot keep anybody from that."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await session.close()
    except (SwarmError, OSError, TimeoutError) as error:
        log.warning("A session did not close cleanly: %s.", type(error).__name__)

"""Which chats have come to the adapter, so that a task of one never overtakes it.

Open WebUI asks for the title of a new chat before it runs the functions that may keep that chat on site. What is
asked by the way therefore waits for the chat itself.
"""

import asyncio
from collections import OrderedDict

from backend_adapter.egress.labels import Labels

# Chats that are remembered here; the database knows them all.
_REMEMBERED = 10_000
# How long a task waits for its chat, and how often it asks what other adapters know, in seconds.
_PATIENCE_S = 10.0
_EVERY_S = 0.2


class ChatsBegun:
    """Those that have come to this adapter, and through `labels` to all that share its database."""

    def __init__(self, labels: Labels | None) -> None:
        self._labels = labels
        self._known: OrderedDict[str, None] = OrderedDict()
        self._more = asyncio.Condition()

    async def begin(self, chat: str) -> None:
        """A chat has come. Raises DatabaseError."""
        if chat in self._known:
            self._known.move_to_end(chat)
            return
        if self._labels is not None:
            await self._labels.begin(chat)
        self._known[chat] = None
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        async with self._more:
            self._more.notify_all()

    async def wait_for(self, chat: str) -> bool:
        """Whether a chat has come or comes soon. Raises DatabaseError."""
        until = asyncio.get_running_loop().time() + _PATIENCE_S
        while not await self._begun(chat):
            if asyncio.get_running_loop().time() > until:
                return False
            try:
                async with asyncio.timeout(_EVERY_S), self._more:
                    await self._more.wait()
            except TimeoutError:
                continue
        return True

    async def _begun(self, chat: str) -> bool:
        return chat in self._known or (
            self._labels is not None and await self._labels.has_begun(chat)
        )

"""Has a request pass the guard before it leaves the site, and its answer after."""

import asyncio
from collections.abc import Sequence

import msgspec

from backend_adapter.chat.stages import Stage
from backend_adapter.egress.guard import Body, Guard
from backend_adapter.routing.continuation import Ask
from backend_adapter.routing.replica import Replica

# To look through more than this takes milliseconds, in which no stream would go on.
_LARGE = 4 * 1024


class Leaving:
    """One request for a model: whether it may leave the site, and as what.

    It does where one of the model's `replicas` is not run by the site itself: then any of them may be the one that
    answers, and all of them get the same.
    """

    def __init__(self, guard: Guard, replicas: Sequence[Replica], chat: str) -> None:
        self._leaves = any(not _on_site(each) for each in replicas)
        self._protected = guard.protect(chat)

    def allowed(self, replicas: Sequence[Replica]) -> list[Replica]:
        """Those that may be asked: of a request that is not protected, the site's own, whoever came meanwhile."""
        return [each for each in replicas if self._leaves or _on_site(each)]

    async def body(self, body: Body) -> Body:
        """The body that may leave. Raises EgressError."""
        if not self._leaves:
            return body
        if self._protected.searches and len(msgspec.json.encode(body)) > _LARGE:
            return await asyncio.to_thread(self._protected.outgoing, body)
        return self._protected.outgoing(body)

    async def first(self, ask: Ask) -> Ask:
        """The request that may leave. Raises EgressError."""
        return msgspec.structs.replace(ask, body=await self.body(ask.body))

    def again(self, ask: Ask) -> Ask:
        """The same for one that was made of an answer. Raises EgressError."""
        if not self._leaves:
            return ask
        return msgspec.structs.replace(ask, body=self._protected.outgoing(ask.body))

    def stages(self) -> list[Stage]:
        """The steps of the answer after all others."""
        return [self._protected.incoming()] if self._leaves else []


def _on_site(replica: Replica) -> bool:
    return replica.upstream.settings.trust == "site"

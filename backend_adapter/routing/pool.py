"""Which models there are, and which upstreams offer them, as settings and admins want it now.

The list survives its upstreams: a model that was offered once stays in it while its upstream is away, so
that a client's model list does not flicker and a request names the fault instead of an unknown model.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from backend_adapter.errors import AdapterError, NoUpstreamError, RequestError, UnknownModelError
from backend_adapter.routing.homes import Homes
from backend_adapter.routing.replica import Replica
from backend_adapter.settings import AdapterSettings, UpstreamSettings
from backend_adapter.upstreams.client import Upstream
from backend_adapter.upstreams.http import Connections
from backend_adapter.upstreams.swarm import SwarmReport

log = logging.getLogger(__name__)

_NOT_ASKED = NoUpstreamError("It has not been asked yet.", "Wait a moment.")


class Member:
    """One upstream of the pool: what it offers, how it is, and since when it gets no new work."""

    def __init__(self, upstream: Upstream, *, added_by_admin: bool) -> None:
        self.upstream = upstream
        self.added_by_admin = added_by_admin
        self.draining = False
        self.fault: AdapterError | None = _NOT_ASKED
        self.replicas: dict[str, Replica] = {}
        # What a gateway to a swarm tells of it; None for all others, and where it does not tell.
        self.swarm: SwarmReport | None = None
        # Set when a replica has failed, so that it is looked at before the next turn.
        self.wake = asyncio.Event()
        self.offer(upstream.configured_models)

    @property
    def name(self) -> str:
        return self.upstream.name

    def offer(self, models: Sequence[str]) -> None:
        """These are the models it has now; a replica that stays keeps what is known of it."""
        self.replicas = {
            model: self.replicas.get(model) or Replica(self.upstream, model, self.wake)
            for model in models
        }

    @property
    def running(self) -> int:
        return sum(replica.running for replica in self.replicas.values())

    def fault_of(self, model: str) -> str:
        """Why it cannot answer for `model` now; empty where it can."""
        if self.fault is not None:
            return str(self.fault)
        replica = self.replicas.get(model)
        if replica is None:
            return "It does not offer this model."
        return "" if replica.circuit.closed else replica.circuit.reason


class Pool:
    """All upstreams; several with one model are replicas of it."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._members: dict[str, Member] = {}
        self.turn = 0
        self.homes = Homes()
        # Set whenever a member comes or goes, for whoever watches over them.
        self.changed = asyncio.Event()
        self._asked = asyncio.Condition()

    def apply(self, settings: AdapterSettings) -> None:
        """Take these settings over. Answers in progress go on, whatever becomes of their upstream."""
        wanted = {each.name: each for each in settings.upstreams}
        for name, member in list(self._members.items()):
            if member.added_by_admin and name not in wanted:
                member.upstream.limits = settings
            elif name not in wanted:
                self._remove(name, "the settings no longer name it")
            elif member.upstream.settings != wanted[name]:
                self._remove(name, "its settings changed")
            else:
                member.upstream.limits = settings
        for name, each in wanted.items():
            if name not in self._members:
                self._add(each, settings, added_by_admin=False)
        # Of two that offer a model, the order of the settings decides where nothing else does.
        ordered = [*(n for n in wanted), *(n for n in self._members if n not in wanted)]
        self._members = {name: self._members[name] for name in ordered}

    def add(self, upstream: UpstreamSettings, settings: AdapterSettings) -> Member:
        """An admin adds an upstream. Raises RequestError where the name is taken."""
        if upstream.name in self._members:
            raise RequestError(
                f"An upstream named {upstream.name} is already there.",
                "Remove it first, or choose another name.",
                param="name",
                status=409,
            )
        return self._add(upstream, settings, added_by_admin=True)

    def _add(
        self, upstream: UpstreamSettings, settings: AdapterSettings, *, added_by_admin: bool
    ) -> Member:
        client = Upstream(upstream, self._connections, settings)
        member = self._members[upstream.name] = Member(client, added_by_admin=added_by_admin)
        log.info("Upstream %s is added.", upstream.name)
        self.changed.set()
        return member

    def drain(self, name: str, draining: bool) -> Member:
        """Give an upstream no new work, or again. Raises RequestError for an unknown name."""
        member = self._member(name)
        member.draining = draining
        log.info("Upstream %s %s.", name, "is drained" if draining else "gets work again")
        return member

    def remove(self, name: str) -> None:
        """An admin removes an upstream; its answers in progress go on. Raises RequestError."""
        self._member(name)
        self._remove(name, "an admin asked for it")

    def _remove(self, name: str, why: str) -> None:
        del self._members[name]
        log.info("Upstream %s is removed: %s.", name, why)
        self.changed.set()

    def _member(self, name: str) -> Member:
        member = self._members.get(name)
        if member is None:
            raise RequestError(
                f"There is no upstream named {name!r}.",
                f"The upstreams are: {', '.join(self._members) or 'none'}.",
                param="name",
                status=404,
            )
        return member

    @property
    def members(self) -> Mapping[str, Member]:
        """All upstreams by name."""
        return self._members

    def models(self) -> dict[str, tuple[str, ...]]:
        """Every known model with the names of the upstreams that offer it."""
        models: dict[str, tuple[str, ...]] = {}
        for name, member in self._members.items():
            for model in member.replicas:
                models[model] = (*models.get(model, ()), name)
        return models

    def _known(self, model: str) -> bool:
        return any(model in member.replicas for member in self._members.values())

    def replicas(self, model: str) -> list[Replica]:
        """Those that may get new work for `model`, in the order of the settings."""
        return [
            member.replicas[model]
            for member in self._members.values()
            if model in member.replicas and not member.draining
        ]

    def ready(self, model: str) -> bool:
        """Whether some upstream can answer for `model` right now."""
        return any(
            not member.draining and not member.fault_of(model) for member in self._members.values()
        )

    def can_answer(self) -> bool:
        """Whether there is a model that can be asked right now."""
        return any(self.ready(model) for model in self.models())

    async def offering(self, model: str, patience_s: float) -> list[Replica]:
        """The replicas of `model`; an unknown model is looked for as long as `patience_s`.

        Raises UnknownModelError, or NoUpstreamError where nobody could be asked.
        """
        if not self._members:
            raise NoUpstreamError(
                "No upstream is configured.", "Add one under [[adapter.upstreams]] in hoheit.toml."
            )
        if not self._known(model):
            await self.look_again(patience_s)
        if found := self.replicas(model):
            return found
        if self._known(model):
            raise NoUpstreamError(
                f"Every upstream of the model {model!r} is being drained.",
                "Wait, or ask an admin to give one of them work again.",
                param="model",
            )
        raise UnknownModelError(
            f"The model {model!r} does not exist here.",
            "GET /v1/models lists those that do; GET /ready says which upstreams are away.",
            param="model",
            code="model_not_found",
        )

    async def look_again(self, patience_s: float) -> None:
        """Have every upstream asked for its models now, and wait until they were."""
        for member in self._members.values():
            member.wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s), self._asked:
                await self._asked.wait()

    async def asked(self) -> None:
        """An upstream has told its models, or failed to; lets those who wait look."""
        async with self._asked:
            self._asked.notify_all()

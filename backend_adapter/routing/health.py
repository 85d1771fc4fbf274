"""Keeps the pool's knowledge true: who is there, what it offers, whether it can generate.

The cheap probe is the list of models, every few seconds. It proves little (a server lists its models while
it cannot generate), so a replica gets requests only after it has generated a token, and again after each
failure.
"""

import asyncio
import logging
from contextlib import suppress

from backend_adapter.errors import AdapterError
from backend_adapter.routing.engine_watch import watch_engine
from backend_adapter.routing.pool import Member, Pool
from backend_adapter.routing.replica import Replica
from backend_adapter.upstreams.capabilities import probe
from backend_adapter.upstreams.vllm_probe import probe_vllm

log = logging.getLogger(__name__)

# While an upstream cannot be used, and when a client names an unknown model, it is asked sooner than by the
# timetable, but not more often than this, in seconds.
_EAGER_S = 1.0
# An upstream with more models than this is somebody's public service: a token of each would be a bill, so
# its replicas count as proved by the list, and are proved only after a failure.
_PROVE_ALL = 16
# A proof that takes longer than this has failed, in seconds.
_PROOF_TIMEOUT_S = 30.0
# What has not been found out about a replica by then stays unknown, in seconds.
_LEARN_TIMEOUT_S = 10.0


class HealthMonitor:
    """Watches every upstream of a pool, each in tasks of its own."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._watching: dict[Member, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch until cancelled; upstreams may come and go meanwhile."""
        try:
            while True:
                self._pool.changed.clear()
                members = set(self._pool.members.values())
                for gone in self._watching.keys() - members:
                    self._watching.pop(gone).cancel()
                for new in members - self._watching.keys():
                    self._watching[new] = asyncio.create_task(self._watch_all_of(new))
                await self._pool.changed.wait()
        finally:
            for task in self._watching.values():
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*self._watching.values(), return_exceptions=True)

    async def _watch_all_of(self, member: Member) -> None:
        looks = [self._watch(member)]
        if member.upstream.settings.engine == "vllm":
            looks.append(watch_engine(member))
        await asyncio.gather(*looks)

    async def _watch(self, member: Member) -> None:
        loop = asyncio.get_running_loop()
        listed_at = float("-inf")
        eager = False
        while True:
            member.wake.clear()
            try:
                next_list = listed_at + self._interval(member, eager)
                if loop.time() >= next_list:
                    await self._list_models(member)
                    listed_at = loop.time()
                if member.fault is None:
                    await self._prove(member)
            except Exception:
                log.exception("Upstream %s could not be looked at.", member.name)
            next_list = listed_at + self._interval(member, eager)
            try:
                async with asyncio.timeout_at(
                    max(self._due(member, next_list), loop.time() + 0.01)
                ):
                    await member.wake.wait()
                    eager = True
            except TimeoutError:
                eager = False

    def _interval(self, member: Member, eager: bool) -> float:
        usual = member.upstream.limits.catalogue_refresh_s
        return min(_EAGER_S, usual) if eager or member.fault is not None else usual

    def _due(self, member: Member, next_list: float) -> float:
        """When to look at it next. While it is away there is no use in asking it for a token."""
        if member.fault is not None:
            return next_list
        proofs = [
            replica.circuit.prove_at
            for replica in member.replicas.values()
            if replica.circuit.state in ("starting", "open")
        ]
        return min([next_list, *proofs])

    async def _list_models(self, member: Member) -> None:
        before = member.fault
        try:
            models = await member.upstream.models()
        except AdapterError as fault:
            member.fault = fault
            if before is None or before.message != fault.message:
                log.warning("%s", fault)
        else:
            member.offer(models)
            if before is not None:
                log.info("Upstream %s answers.", member.name)
                for replica in member.replicas.values():
                    if not replica.circuit.closed and len(models) > _PROVE_ALL:
                        replica.circuit.proved()
            member.fault = None
        await self._pool.asked()
        if member.upstream.settings.engine == "petals":
            if member.fault is not None:
                member.swarm = None
                return
            # While it is too busy to tell, what it told last stands.
            with suppress(TimeoutError):
                member.swarm = await member.upstream.swarm()

    async def _prove(self, member: Member) -> None:
        now = asyncio.get_running_loop().time()
        due = [replica for replica in member.replicas.values() if replica.circuit.due(now)]
        for replica in due:
            await prove(replica)
        if member.upstream.settings.engine == "vllm":
            # After all proofs, so that none has to wait for what is only good to know.
            for replica in due:
                await _learn(replica)


async def prove(replica: Replica) -> None:
    """Have the replica generate one token, and close or open its circuit by that."""
    replica.circuit.proving()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PROOF_TIMEOUT_S):
            replica.capabilities, seconds = await probe(replica.upstream, replica.model)
    except (AdapterError, TimeoutError) as error:
        reason = str(error) or f"It generated no token within {_PROOF_TIMEOUT_S:g} s."
        log.warning("Upstream %s cannot answer for %s: %s", replica.name, replica.model, reason)
        replica.circuit.failed(loop.time(), reason, at_once=True)
    except BaseException:
        replica.circuit.failed(loop.time(), "The proof was broken off.", at_once=True)
        raise
    else:
        replica.first_token_after(seconds)
        replica.circuit.proved()
        log.info("Upstream %s answers for %s.", replica.name, replica.model)


async def _learn(replica: Replica) -> None:
    """Find out how a replica that can be asked was started."""
    if not replica.circuit.closed:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEARN_TIMEOUT_S):
            known = replica.capabilities
            replica.capabilities = await probe_vllm(replica.upstream, replica.model, known)

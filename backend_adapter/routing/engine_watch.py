"""Looks at a vLLM server beside its OpenAI API: whether its engine lives, and what it carries."""

import asyncio
import logging

from backend_adapter.errors import UpstreamError
from backend_adapter.routing.pool import Member
from backend_adapter.upstreams.load import load_of, read_samples

log = logging.getLogger(__name__)

# Two small requests each time, in seconds. Where the models are asked for more often, this is too.
_EVERY_S = 1.0


async def watch_engine(member: Member) -> None:
    """Look at it until cancelled."""
    while True:
        try:
            await _look(member)
        except Exception:
            log.exception("The engine of upstream %s could not be looked at.", member.name)
        await asyncio.sleep(min(_EVERY_S, member.upstream.limits.catalogue_refresh_s))


async def _look(member: Member) -> None:
    try:
        await member.upstream.check_engine()
        samples = read_samples(await member.upstream.figures())
    except UpstreamError as fault:
        _take_out(member, fault)
        return
    except TimeoutError:
        # Whoever is busy tells late. Whether it still answers is seen by the answers.
        return
    for replica in member.replicas.values():
        replica.note_load(load_of(samples, replica.model))


def _take_out(member: Member, fault: UpstreamError) -> None:
    """Its replicas get no requests until each has generated a token again."""
    # One whose circuit is not closed is proved already; a failure more would only put that off.
    serving = [replica for replica in member.replicas.values() if replica.circuit.closed]
    for replica in serving:
        replica.failed(fault)
    if serving:
        log.warning("%s", fault)

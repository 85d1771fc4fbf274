"""Puts a gateway together: the model's ends and text, the swarm, and a decoder for each answer."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import torch

from backend_adapter.petals.decode import (
    Decoder,
    Depth,
    Drafter,
    DraftModel,
    FirstOf,
    Grammars,
    NGrams,
    Sampler,
    Sampling,
)
from backend_adapter.petals.decode.depth import Cost
from backend_adapter.petals.decode.draft_model import KIND, drafting_seconds, load_draft_model
from backend_adapter.petals.errors import SwarmSettingsError
from backend_adapter.petals.gateway.conversations import Conversations, Resumed, Session
from backend_adapter.petals.gateway.engine import Engine, Job, MakeDecoder
from backend_adapter.petals.gateway.parts import Coverage, Parts
from backend_adapter.petals.hub import fetch_description, fetch_ends
from backend_adapter.petals.model.ends import Ends
from backend_adapter.petals.model.local import LocalModel
from backend_adapter.petals.model.tokenizer import Text
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.petals.swarm.swarm import Swarm
from backend_adapter.petals.weights import check_directory


@dataclass(frozen=True)
class Local:
    """What of the model is on site, and what makes a decoder of it for an answer."""

    text: Text
    ends: Ends
    decoder: MakeDecoder


async def load(settings: GatewaySettings, say: Callable[[str], None]) -> Local:
    """What of the model stays here. Raises SwarmError."""
    if settings.model is None:
        raise SwarmSettingsError("No model is named.", "Set model to the directory of one.")
    if settings.hub:
        await asyncio.to_thread(fetch_description, settings.hub, settings.model, say)
        await asyncio.to_thread(fetch_ends, settings.hub, settings.model, say)
    directory = check_directory(settings.model)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))
    say("loading what of the model stays here")
    text = await asyncio.to_thread(Text, directory)
    ends = await asyncio.to_thread(Ends, directory)
    small = None
    if settings.draft_model is not None and settings.draft_tokens:
        say("loading the draft model")
        small = await asyncio.to_thread(load_draft_model, settings.draft_model, text)
    return Local(text, ends, await asyncio.to_thread(decoders, settings, text, ends, small))


@asynccontextmanager
async def joined(
    settings: GatewaySettings, local: Local, say: Callable[[str], None]
) -> AsyncIterator[Parts]:
    """The parts of a gateway that has joined its swarm; leaves it at the end. Raises SwarmError."""
    say("joining the swarm")
    text, ends = local.text, local.ends
    async with Swarm(settings) as swarm:
        engine = engine_of(
            settings, text, local.decoder, lambda room: swarm.session(ends.embed, room)
        )
        try:
            yield Parts(
                text,
                engine,
                swarm.state,
                Coverage(swarm.state, settings.recover_s),
                ends.vocabulary,
                lambda: {peer: ban.reason for peer, ban in swarm.banned().items()},
            )
        finally:
            await engine.conversations.close()


def engine_of(
    settings: GatewaySettings,
    text: Text,
    decoder: MakeDecoder,
    open_session: Callable[[int], Session],
) -> Engine:
    """The engine over sessions that `open_session` opens for so many tokens."""
    conversations = Conversations(
        open_session,
        most=settings.kept_sessions,
        keep_s=settings.keep_session_s,
        largest=settings.context_tokens,
    )
    return Engine(
        conversations,
        decoder,
        lambda ids, special: text.decode(ids, special=special),
        text.eos,
        parallel=settings.parallel,
        patience_s=settings.recover_s,
    )


def decoders(
    settings: GatewaySettings, text: Text, ends: Ends, small: LocalModel | None = None
) -> MakeDecoder:
    """What makes the decoder of an answer; what one learns of the network's speed, the next ones know.

    `small` drafts where the conversation holds no guess; how fast it is here is measured first.
    """
    grammars = Grammars(text, ends.vocabulary) if text.eos else None
    cost = Cost()

    def measure(model: LocalModel) -> None:
        cost.learn_drafting(KIND, drafting_seconds(model), anew=True)

    if small is not None:
        measure(small)

    def drafter(sampler: Sampler, depth: Depth) -> Drafter | None:
        if not settings.draft_tokens:
            return None
        if small is None:
            return NGrams()
        room = settings.context_tokens
        return FirstOf(NGrams(), DraftModel(small, room, sampler.choose, depth, ends.vocabulary))

    async def decoder(session: Resumed, job: Job, eos: frozenset[int]) -> Decoder:
        if small is not None and cost.out_of_date(KIND):
            asyncio.get_running_loop().run_in_executor(None, measure, small)
        constraint = None
        if job.grammar is not None:
            # Raises GenerationError where the model has no end either.
            known = grammars or Grammars(text, ends.vocabulary)
            constraint = await asyncio.to_thread(known.constraint, job.grammar)
        sampler = Sampler(Sampling(**job.sampling), ends.vocabulary)
        depth = Depth(settings.draft_tokens, cost)
        return Decoder(
            session, ends, sampler, drafter(sampler, depth), constraint, eos, depth=depth
        )

    return decoder

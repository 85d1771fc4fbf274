"""Finds nodes that answer wrong numbers: those that serve the same layers must agree.

A single answer cannot be checked without the weights, but of several that compute the same, one that differs from
the majority is wrong (a vote among replicas, as for Byzantine faults).
"""

import asyncio
import itertools
import logging
from collections.abc import Mapping, Sequence

import torch
from hivemind.p2p import PeerID

from backend_adapter.petals import wire
from backend_adapter.petals.settings import GatewaySettings
from backend_adapter.petals.spans import Span
from backend_adapter.petals.swarm.directory import Directory

log = logging.getLogger(__name__)

# Nodes that have been there all the time are compared so often, in seconds.
_EVERY_S = 60.0
_LOOK_S = 1.0
_TOKENS = 4
# Of the largest number in the answer: what number formats (bfloat16, quantised weights) may differ by.
_TOLERANCE = 0.03


class Auditing:
    """Compares as soon as a node has joined, and from time to time; liars are banned."""

    def __init__(self, directory: Directory, settings: GatewaySettings, width: int) -> None:
        self._directory, self._settings, self._width = directory, settings, width
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def compare(self) -> None:
        """Ask all nodes that serve layers which others serve too; ban those that the majority contradicts."""
        bans = self._directory.bans
        for start, end, holders in shared(self._online()):
            # New numbers each time, so that nobody can know the answer beforehand.
            probe = torch.randn(1, _TOKENS, self._width)
            answers = await asyncio.gather(
                *(self._ask(each, start, end, probe) for each in holders)
            )
            told = {
                holder.peer: answer
                for holder, answer in zip(holders, answers, strict=True)
                if answer is not None
            }
            liars, disputed = contradicted(told)
            for peer in liars:
                log.warning("The node %s computes the layers %d:%d wrong.", peer, start, end)
                bans.ban(peer, f"other nodes compute the layers {start}:{end} otherwise", liar=True)
            if disputed:
                log.warning(
                    "The nodes %s disagree on the layers %d:%d; a third would tell who is wrong.",
                    ", ".join(disputed),
                    start,
                    end,
                )

    async def _run(self) -> None:
        seen: frozenset[tuple[str, int, int]] = frozenset()
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            here = frozenset((each.peer, each.start, each.end) for each in self._online())
            if here - seen or loop.time() >= due:
                await self.compare()
                due = loop.time() + _EVERY_S
            seen = here
            await asyncio.sleep(_LOOK_S)

    def _online(self) -> list[Span]:
        banned = self._directory.bans.banned()
        spans = self._directory.state().spans
        return [each for each in spans if each.state == "online" and each.peer not in banned]

    async def _ask(
        self, span: Span, start: int, end: int, probe: torch.Tensor
    ) -> torch.Tensor | None:
        """What the node makes of the probe; None where it does not answer, which is no lie."""
        request = wire.Request(
            uid=wire.uids(self._settings.model_id, start, end),
            tensors=[wire.pack(probe), wire.no_prompts()[0]],
            metadata=wire.dumps({"proof": self._directory.proof}),
        )
        try:
            async with asyncio.timeout(self._settings.step_timeout_s):
                response = await self._directory.p2p.call_protobuf_handler(
                    PeerID.from_base58(span.peer), wire.FORWARD, request, wire.Response
                )
        except Exception as error:  # noqa: BLE001 - whatever it is, there is nothing to compare
            log.info("A node was not audited: %r", error)
            return None
        try:
            return wire.unpack(response.tensors[0]).float()
        except Exception:  # noqa: BLE001 - what cannot be read is wrong
            return torch.full_like(probe, torch.nan)


def shared(spans: Sequence[Span]) -> list[tuple[int, int, list[Span]]]:
    """Ranges of layers [start, end) that more than one of `spans` serves, each with those that do.

    The ranges do not overlap, and together they hold all such layers.
    """
    borders = sorted({border for span in spans for border in (span.start, span.end)})
    ranges = []
    for start, end in itertools.pairwise(borders):
        holders = [each for each in spans if each.start <= start and end <= each.end]
        if len(holders) > 1:
            ranges.append((start, end, holders))
    return ranges


def contradicted(answers: Mapping[str, torch.Tensor]) -> tuple[list[str], list[str]]:
    """Of peers' answers to one probe: those that most others contradict, and those that nobody can decide between.

    A peer whose numbers are not finite is wrong whatever the others say.
    """
    broken = [peer for peer, told in answers.items() if not torch.isfinite(told).all()]
    sound = {peer: told for peer, told in answers.items() if peer not in broken}
    for told in sound.values():
        agreeing = [peer for peer, other in sound.items() if _agree(told, other)]
        if len(agreeing) * 2 > len(sound):
            return broken + [peer for peer in sound if peer not in agreeing], []
    return broken, list(sound)


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape:
        return False
    size = max(one.abs().max().item(), other.abs().max().item())
    return (one - other).abs().max().item() <= _TOLERANCE * size

"""What is measured: the adapter's share, what a second replica adds, and what a death breaks."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from typing import Any, Literal

from benchmarks.vllm.asking import Endpoint, Round, ask
from benchmarks.vllm.servers import Replica
from hoheit.progress import Progress

# How many users ask while a replica is killed.
_KILLED_USERS = 8
Kill = Literal["host", "engine"]


def rates(
    sides: Sequence[Endpoint], users: int, tokens: int, rounds: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """Medians of throughput and time to first token of each side, asked in turn with prompts of their own."""
    made: dict[str, list[Round]] = {side.name: [] for side in sides}
    for number in range(rounds):
        # Who comes first in a round changes: the machine's speed wanders.
        for side in sides[::-1] if number % 2 else sides:
            title = f"{users} users, {side.name}, round {number + 1} of {rounds}"
            with progress.step(title):
                salt = f"{side.name[:1]}{number}{users}"
                found = asyncio.run(ask(side, users, tokens, salt))
            if broken := sum(not answer.whole for answer in found.answers):
                raise SystemExit(f"{broken} of {users} answers by {side.name} broke off.")
            made[side.name].append(found)
    return {
        name: {
            "tokens_per_s": round(statistics.median(each.tokens_per_s for each in found), 1),
            "ttft_s": round(statistics.median(each.ttft_s for each in found), 3),
        }
        for name, found in made.items()
    } | {
        "ratio": {
            name: round(
                statistics.median(
                    other.tokens_per_s / first.tokens_per_s
                    for first, other in zip(made[sides[0].name], found, strict=True)
                ),
                3,
            )
            for name, found in list(made.items())[1:]
        }
    }


def broken_by_a_death(
    front: Endpoint, victim: Replica, kill: Kill, tokens: int, progress: Progress
) -> dict[str, Any]:
    """Kill one replica in the middle of all answers: how many break off, and how many are another text.

    The undisturbed answers are asked for first; the victim is started again before this returns.
    """
    act: Callable[[], None] = victim.kill if kill == "host" else victim.kill_engine

    async def midway() -> None:
        await asyncio.to_thread(act)

    with progress.step(f"{front.name}: undisturbed answers"):
        before = asyncio.run(ask(front, _KILLED_USERS, tokens, "dead"))
    with progress.step(f"{front.name}: {victim.name} loses its {kill}"):
        after = asyncio.run(ask(front, _KILLED_USERS, tokens, "dead", midway))
    with progress.step(f"{victim.name} starts again"):
        victim.kill()
        victim.start()
        victim.ready()
    pairs = zip(before.answers, after.answers, strict=True)
    return {
        "answers": _KILLED_USERS,
        "broken": sum(not answer.whole for answer in after.answers),
        "another_text": sum(
            undisturbed.text != disturbed.text
            for undisturbed, disturbed in pairs
            if disturbed.whole
        ),
        "seconds_undisturbed": round(before.seconds, 1),
        "seconds": round(after.seconds, 1),
    }

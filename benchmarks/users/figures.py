"""What the measured answers amount to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

MANY = 8


@dataclass(frozen=True)
class Round:
    """Some users' answers at once: how long all took, their tokens, and processor seconds by group of processes."""

    seconds: float
    ids: Sequence[Sequence[int]]
    cpu: Mapping[str, float]


# Rounds of each number of users.
Rounds = Mapping[int, Sequence[Round]]


def figures(sides: Mapping[str, Rounds], alone: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The figures of every side, and what they are together; `alone` are the answers as they have to be.

    `one_user_vs_stock` is None where not both were measured with one user. Numbers of users without a round, as
    behind the one that a client broke off in, have no figures.
    """
    found: dict[str, Any] = {side: _of_side(rounds, alone) for side, rounds in sides.items()}
    amounts = [each for side in found.values() for each in side["users"].values()]
    return {
        **found,
        "one_user_vs_stock": _share(*(_rate(found, side, 1) for side in ("ours", "stock"))),
        "equal_output": all(each["equal_answers"] == each["answers"] for each in amounts),
    }


def _of_side(rounds: Rounds, alone: Sequence[Sequence[int]]) -> dict[str, Any]:
    users = {str(number): _of_users(some, alone) for number, some in rounds.items() if some}
    rates = [users.get(str(number), {}).get("tokens_per_s") for number in (MANY, 1)]
    return {"users": users, f"scaling_{MANY}": _share(*rates)}


def _of_users(rounds: Sequence[Round], alone: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Medians of the rounds. `cpu_cores` is how many processors all groups together kept busy."""
    tokens = [sum(map(len, each.ids)) for each in rounds]
    equal = [
        list(given) == list(due)
        for each in rounds
        for given, due in zip(each.ids, alone, strict=False)
    ]
    return {
        "tokens_per_s": _median([n / each.seconds for n, each in zip(tokens, rounds, strict=True)]),
        "cpu_ms_per_token": {
            group: _median(
                [1000 * each.cpu[group] / n for n, each in zip(tokens, rounds, strict=True)]
            )
            for group in rounds[0].cpu
        },
        "cpu_cores": _median([sum(each.cpu.values()) / each.seconds for each in rounds]),
        "equal_answers": sum(equal),
        "answers": sum(len(each.ids) for each in rounds),
    }


def _rate(found: Mapping[str, Any], side: str, users: int) -> float | None:
    rate: float | None = (
        found.get(side, {}).get("users", {}).get(str(users), {}).get("tokens_per_s")
    )
    return rate


def _median(values: Sequence[float]) -> float:
    return round(median(values), 2)


def _share(part: float | None, whole: float | None) -> float | None:
    return round(part / whole, 2) if part is not None and whole else None

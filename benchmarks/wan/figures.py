"""What the measured answers amount to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.wan.links import Link

Turns = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """One client's answers in one round (see `measuring.Turn`), each with its `decode_bytes`.

    `carried` are the bytes through all proxies from the client's start to its end, `decode_bytes` those between
    the first token of an answer and its last.
    """

    turns: Turns
    carried: int


def figures(rounds: Sequence[tuple[Run, Run]], links: Sequence[Link]) -> dict[str, Any]:
    """The figures of one kind of work from rounds of Petals' own client and ours: medians, and sums of counts.

    `limit_tokens_per_s` is what our number of tokens for each round trip allows where nothing but the delay takes
    time: a round trip crosses every node's link once on the way and the last one again on the way back. Answers
    that Petals' client did not end are `stock_broken`; its figures are those of the others, None where there are
    none, and the ratio is that of the answers that both ended.
    """
    found = [_of_round(stock, ours, links) for stock, ours in rounds]
    together: dict[str, Callable[[Sequence[Any]], Any]] = {
        "equal_output": _all,
        **dict.fromkeys(_COUNTS, sum),
    }
    return {
        key: together.get(key, _median(_DIGITS.get(key, 2)))([each[key] for each in found])
        for key in found[0]
    }


_COUNTS = ("equal_answers", "answers", "stock_broken")
_DIGITS = {
    "ttft_turn1_s": 3,
    "ttft_turn5_s": 3,
    "of_limit": 3,
    "bytes_per_token": 0,
    "bytes_per_decoded_token": 0,
    "acceptance": 3,
}


def _of_round(stock: Run, ours: Run, links: Sequence[Link]) -> dict[str, Any]:
    theirs = {_place(each): each for each in stock.turns}
    both = [each for each in ours.turns if _place(each) in theirs]
    equal = [each["ids"] == theirs[_place(each)]["ids"] for each in both]
    our_rate = rate(ours.turns)
    rounds = sum(each["rounds"] - 1 for each in ours.turns)
    a_round = _behind_first(ours.turns) / rounds if rounds else None
    ring = sum(link.delay_s for link in links) + links[-1].delay_s
    limit = a_round / ring if ring and a_round else None
    runs = {"stock": stock, "hoheit": ours}
    return {
        "stock_tokens_per_s": rate(stock.turns),
        "hoheit_tokens_per_s": our_rate,
        "ratio": _share(rate(both), rate(stock.turns)),
        "equal_output": all(equal) if equal else None,
        "equal_answers": sum(equal),
        "answers": len(ours.turns),
        "stock_broken": len(ours.turns) - len(stock.turns),
        "ttft_turn1_s": {name: _ttft(run.turns, 1) for name, run in runs.items()},
        "ttft_turn5_s": {name: _ttft(run.turns, 5) for name, run in runs.items()},
        "limit_tokens_per_s": limit,
        "of_limit": _share(our_rate, limit),
        "bytes_per_token": {
            name: _share(run.carried, sum(len(each["ids"]) for each in run.turns))
            for name, run in runs.items()
        },
        "bytes_per_decoded_token": {
            name: _share(sum(each["decode_bytes"] for each in run.turns), _behind_first(run.turns))
            for name, run in runs.items()
        },
        "acceptance": _share(
            sum(each["accepted"] for each in ours.turns),
            sum(each["drafted"] for each in ours.turns),
        ),
        "tokens_per_round": a_round,
    }


def rate(turns: Turns) -> float | None:
    """Tokens per second behind the first of each answer; None where there is no such token."""
    return _share(_behind_first(turns), sum(each["rest_s"] for each in turns))


def _place(turn: dict[str, Any]) -> tuple[int, int]:
    return turn["conversation"], turn["turn"]


def _behind_first(turns: Turns) -> int:
    return sum(len(each["ids"]) - 1 for each in turns)


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _ttft(turns: Turns, number: int) -> float | None:
    found = [each["ttft_s"] for each in turns if each["turn"] == number]
    return median(found) if found else None


def _all(values: Sequence[bool | None]) -> bool | None:
    known = [each for each in values if each is not None]
    return all(known) if known else None


def _median(digits: int) -> Callable[[Sequence[Any]], Any]:
    """The median of what is not None, rounded; of dictionaries that of each value."""

    def of(values: Sequence[Any]) -> Any:
        if isinstance(values[0], dict):
            return {key: of([each[key] for each in values]) for key in values[0]}
        known = [each for each in values if each is not None]
        # Given 0, round() would leave a float.
        return round(median(known), digits or None) if known else None

    return of

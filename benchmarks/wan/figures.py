"""What the measured turns amount to."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.wan.links import Link

Turns = Sequence[dict[str, Any]]


def rate(turns: Turns) -> float:
    """Tokens per second behind the first of each answer."""
    return float(
        sum(len(each["ids"]) - 1 for each in turns) / sum(each["rest_s"] for each in turns)
    )


def figures(stock: Turns, ours: Turns, links: Sequence[Link], carried: int) -> dict[str, Any]:
    """The figures of one kind of work; `carried` are the bytes through all proxies while ours was measured.

    `limit_tokens_per_s` is what our number of tokens for each round allows where nothing but the delay takes time:
    a round crosses every node's link once on the way and the last one again on the way back.
    """
    tokens = sum(len(each["ids"]) for each in ours)
    rounds = sum(each["rounds"] - 1 for each in ours)
    ring = sum(link.delay_s for link in links) + links[-1].delay_s
    drafted = sum(each["drafted"] for each in ours)
    behind_first = tokens - len(ours)
    stock_rate, our_rate = rate(stock), rate(ours)
    return {
        "stock_tokens_per_s": round(stock_rate, 2),
        "hoheit_tokens_per_s": round(our_rate, 2),
        "ratio": round(our_rate / stock_rate, 2),
        "equal_output": [each["ids"] for each in stock] == [each["ids"] for each in ours],
        "equal_answers": sum(a["ids"] == b["ids"] for a, b in zip(stock, ours, strict=True)),
        "answers": len(ours),
        "ttft_turn1_s": {"stock": _ttft(stock, 1), "hoheit": _ttft(ours, 1)},
        "ttft_turn5_s": {"stock": _ttft(stock, 5), "hoheit": _ttft(ours, 5)},
        "limit_tokens_per_s": round(behind_first / (rounds * ring), 2) if ring and rounds else None,
        "bytes_per_token": round(carried / tokens),
        "acceptance": round(sum(each["accepted"] for each in ours) / drafted, 3)
        if drafted
        else None,
        "tokens_per_round": round(behind_first / rounds, 2) if rounds else None,
    }


def _ttft(turns: Turns, number: int) -> float | None:
    found = [each["ttft_s"] for each in turns if each["turn"] == number]
    return round(median(found), 3) if found else None

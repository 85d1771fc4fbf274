"""The figures of the WAN benchmark, from answers with known times and bytes."""

from typing import Any

import pytest

from benchmarks.wan.figures import Run, figures
from benchmarks.wan.links import PROFILES, Link

LINKS = (Link(0.05), Link(0.05), Link(0.05))


def turn(number: int, ids: list[int], **values: Any) -> dict[str, Any]:
    measured = {"ttft_s": 1.0, "rest_s": 2.0, "rounds": 0, "drafted": 0, "accepted": 0}
    return {
        "conversation": 0,
        "turn": number,
        "ids": ids,
        "decode_bytes": 100,
        **measured,
        **values,
    }


def stock(rest_s: float = 4.0) -> Run:
    return Run([turn(each, [1, 2, 3, 4, 5], rest_s=rest_s) for each in (1, 5)], 5000)


def ours(rest_s: float = 1.0, **values: Any) -> Run:
    given = {"rest_s": rest_s, "rounds": 3, "drafted": 4, "accepted": 2, "ttft_s": 0.5, **values}
    return Run([turn(each, [1, 2, 3, 4, 5], **given) for each in (1, 5)], 2000)


def test_every_figure_of_one_round() -> None:
    assert figures([(stock(), ours())], LINKS) == {
        "stock_tokens_per_s": 1.0,
        "hoheit_tokens_per_s": 4.0,
        "ratio": 4.0,
        "equal_output": True,
        "equal_answers": 2,
        "answers": 2,
        "stock_broken": 0,
        "ttft_turn1_s": {"stock": 1.0, "hoheit": 0.5},
        "ttft_turn5_s": {"stock": 1.0, "hoheit": 0.5},
        # Two tokens for each round trip behind the first, of four ways of 50 ms.
        "limit_tokens_per_s": 10.0,
        "of_limit": 0.4,
        "bytes_per_token": {"stock": 500, "hoheit": 200},
        "bytes_per_decoded_token": {"stock": 25, "hoheit": 25},
        "acceptance": 0.5,
        "tokens_per_round": 2.0,
    }


def test_rounds_give_medians_and_the_ratio_is_that_of_pairs() -> None:
    rounds = [(stock(4), ours(4)), (stock(1), ours(0.5)), (stock(2), ours(0.2))]
    found = figures(rounds, LINKS)
    assert found["stock_tokens_per_s"] == 2.0
    assert found["hoheit_tokens_per_s"] == 8.0
    # Of 1, 2 and 10; the medians' own ratio would be 4.
    assert found["ratio"] == 2.0
    assert found["answers"] == found["equal_answers"] == 6


def test_one_different_token_is_told() -> None:
    other = Run([turn(1, [1, 2, 3, 4, 5], rounds=3), turn(5, [1, 2, 3, 4, 6], rounds=3)], 1)
    found = figures([(stock(), ours()), (stock(), other)], LINKS)
    assert found["equal_output"] is False
    assert found["equal_answers"] == 3


def test_answers_that_broke_off_are_counted_and_left_out() -> None:
    broken = Run(stock().turns[:1], 1000)
    slower = Run([*ours().turns[:1], {**ours().turns[1], "rest_s": 3.0}], 2000)
    found = figures([(broken, slower)], LINKS)
    assert found["stock_broken"] == 1
    assert found["equal_output"] is True
    assert found["equal_answers"] == 1
    assert found["hoheit_tokens_per_s"] == 2.0
    # Of the answer that both ended.
    assert found["ratio"] == 4.0
    assert found["ttft_turn5_s"] == {"stock": None, "hoheit": 0.5}


def test_without_any_answer_of_the_stock_client_its_figures_are_null() -> None:
    found = figures([(Run([], 1000), ours())], LINKS)
    assert found["stock_broken"] == 2
    assert found["stock_tokens_per_s"] is None
    assert found["ratio"] is None
    assert found["equal_output"] is None
    assert found["bytes_per_token"] == {"stock": None, "hoheit": 200}
    assert found["hoheit_tokens_per_s"] == 4.0


@pytest.mark.parametrize("profile", PROFILES)
def test_only_delay_limits(profile: str) -> None:
    found = figures([(stock(), ours())], PROFILES[profile])
    delays = {"lan": None, "20ms": 25.0, "50ms": 10.0, "100ms": 5.0, "bad-link": 10.0}
    assert found["limit_tokens_per_s"] == delays[profile]
    assert (found["of_limit"] is None) == (profile == "lan")


def test_answers_of_one_token_have_no_rate() -> None:
    one = Run([turn(1, [1], rest_s=0.0, rounds=1)], 50)
    found = figures([(one, one)], LINKS)
    assert found["hoheit_tokens_per_s"] is None
    assert found["tokens_per_round"] is None
    assert found["bytes_per_decoded_token"] == {"stock": None, "hoheit": None}
    assert found["bytes_per_token"] == {"stock": 50, "hoheit": 50}

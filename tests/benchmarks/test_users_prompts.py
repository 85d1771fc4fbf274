"""Every user asks something else, of the same length."""

from pathlib import Path

import pytest

from benchmarks.users.prompts import prompts, text

REPOSITORY = Path(__file__).resolve().parents[2]


def test_prompts_follow_each_other() -> None:
    assert prompts(range(100), 3, 10) == [
        list(range(10)),
        list(range(10, 20)),
        list(range(20, 30)),
    ]


def test_prompts_beyond_the_text_begin_elsewhere_in_it() -> None:
    found = prompts(range(25), 3, 10)
    assert found[2] == list(range(5, 15))
    assert all(len(each) == 10 for each in prompts(range(25), 40, 10))


def test_a_text_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="10 tokens are too few for prompts of 10"):
        prompts(range(10), 1, 10)


def test_the_text_has_prompts_for_many_users() -> None:
    # Words are no more than tokens.
    assert len(text(REPOSITORY).split()) > 32 * 16

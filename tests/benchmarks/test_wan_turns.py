"""The prompts of a conversation continue what was answered, whether the answer closed itself or not."""

import re
from pathlib import Path

import pytest

from benchmarks.wan.turns import room, turns
from benchmarks.wan.work import TURNS, conversations

REPOSITORY = Path(__file__).resolve().parents[2]
END = "<|im_end|>"


def encode(text: str) -> list[int]:
    """One token for each control mark and for each other character."""
    found = re.findall(r"<\|im_\w+\|>|.", text, re.DOTALL)
    return [1 if each == END else 2 if each == "<|im_start|>" else ord(each) for each in found]


@pytest.mark.parametrize("closed", [True, False])
def test_prompts_and_answers_make_one_sequence(closed: bool) -> None:
    end, sequence = encode(END), list[int]()
    for number, prompt, answer in turns(["one", "two", "three"], encode):
        sequence += prompt
        answer += encode(f"answer {number}") + (end if closed else [])
        sequence += answer
    said = f"oneanswer 1{END}\ntwoanswer 2{END}\nthreeanswer 3"
    assert sequence == encode(said) + (end if closed else [])


@pytest.mark.parametrize("work", ["documents", "free", "code"])
def test_a_conversation_fits_into_its_room(work: str) -> None:
    for conversation in conversations(work, REPOSITORY):
        taken = 0
        for _, prompt, answer in turns(conversation, encode):
            answer += [9] * 7
            taken += len(prompt) + len(answer)
        assert 0 <= room(conversation, 7, encode) - taken <= 2


@pytest.mark.parametrize("work", ["documents", "free", "code"])
def test_every_conversation_is_a_chat_of_five_turns(work: str) -> None:
    for conversation in conversations(work, REPOSITORY):
        assert len(conversation) == TURNS == 5
        assert conversation[0].startswith("<|im_start|>system\n")
        assert all(each.endswith("<|im_start|>assistant\n") for each in conversation)

"""The turns of a conversation: the tokens of each prompt, and what was measured of each answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Turn:
    """One answer. Times in seconds, `rest_s` from the first token to the last.

    `rounds` are round trips through all layers, `drafted` and `accepted` tokens; Petals' client has none of them.
    """

    conversation: int
    turn: int
    ids: list[int]
    ttft_s: float
    rest_s: float
    rounds: int = 0
    drafted: int = 0
    accepted: int = 0


def turns(
    conversation: Sequence[str], encode: Encode
) -> Iterator[tuple[int, list[int], list[int]]]:
    """Number, prompt of the turn alone, and a list that takes the answer before the next turn.

    A prompt closes the answer before it: with the line's end alone where the answer has its own `<|im_end|>`.
    """
    end = encode("<|im_end|>")[0]
    after_end, answer = encode("\n"), list[int]()
    for number, text in enumerate(conversation, 1):
        between: list[int] = []
        if number > 1:
            between = after_end if answer[-1] == end else [end, *after_end]
        answer = []
        yield number, [*between, *encode(text)], answer


def room(conversation: Sequence[str], tokens: int, encode: Encode) -> int:
    """Tokens that a conversation takes at most, with answers of at most `tokens`."""
    closing = 1 + len(encode("\n"))
    return sum(len(encode(text)) + tokens + closing for text in conversation)

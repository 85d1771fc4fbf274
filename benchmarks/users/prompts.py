"""The prompts of the users: pieces of the site's documents, and of questions."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.wan.work import conversations

TOKENS = 32


def text(root: Path) -> str:
    """What the prompts are cut from."""
    asked = (each for work in ("documents", "free", "code") for each in conversations(work, root))
    return "\n".join(turn for each in asked for turn in each)


def prompts(ids: Sequence[int], users: int, length: int = TOKENS) -> list[list[int]]:
    """A piece of `length` tokens of `ids` for each user, one behind the other, from the beginning again at its end.

    Raises ValueError where there is not even one.
    """
    if len(ids) <= length:
        raise ValueError(f"{len(ids)} tokens are too few for prompts of {length}")
    starts = [user * length % (len(ids) - length) for user in range(users)]
    return [list(ids[start : start + length]) for start in starts]

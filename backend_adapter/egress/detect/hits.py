"""What one recogniser says of a text, and which of several stays where they reach into each other."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

# How sure a kind of recogniser is of what it says, and so which one stays.
SECRET = 90
LABELLED = 70
CHECKED = 60
SHAPED = 50
NUMBER = 40
NAME = 30
MODEL = 10


class Hit(NamedTuple):
    """A value of this category stands at [start, end); of two, the one that weighs more stays."""

    start: int
    end: int
    category: str
    weight: int


def settled(hits: Iterable[Hit]) -> list[Hit]:
    """From left to right those that stay: first by weight, then the longer one."""
    chosen: list[Hit] = []
    for hit in sorted(hits, key=lambda one: (-one.weight, one.start - one.end, one.start)):
        place = bisect_left(chosen, hit)
        before_is_apart = place == 0 or chosen[place - 1].end <= hit.start
        if before_is_apart and (place == len(chosen) or hit.end <= chosen[place].start):
            insort(chosen, hit)
    return chosen

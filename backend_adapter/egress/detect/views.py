"""Cuts out of a text the neighbourhoods of what a recogniser cannot do without, so that the rest is not searched.

Most of a letter is far from any digit; every recogniser of numbers then reads only what is near one.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Ends a line, and nothing that is recognised reaches across it.
_BREAK = "\n\x00\n"


@dataclass(frozen=True, slots=True)
class View:
    """Parts of a text, one after the other; `at` tells where in the text a position of them is."""

    text: str
    begins: tuple[int, ...]
    offsets: tuple[int, ...]

    def at(self, position: int) -> int:
        """Where in the text a position of the parts is."""
        return position + self.offsets[bisect_right(self.begins, position) - 1]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text what stands at [start, end) of the parts is."""
        begin = self.at(start)
        return begin, begin + end - start


def whole(text: str) -> View:
    """All of a text."""
    return View(text, (0,), (0,))


def around(text: str, spans: Iterable[tuple[int, int]], before: int, after: int) -> View | None:
    """What is at most so many characters before or after one of the spans, which come from left to right.

    None where there is no span.
    """
    parts: list[list[int]] = []
    for start, end in spans:
        begin = max(start - before, 0)
        if parts and begin <= parts[-1][1]:
            parts[-1][1] = max(end + after, parts[-1][1])
        else:
            parts.append([begin, end + after])
    if not parts:
        return None
    texts: list[str] = []
    begins: list[int] = []
    offsets: list[int] = []
    length = 0
    for begin, end in parts:
        part = text[begin:end]
        texts.append(part)
        begins.append(length)
        offsets.append(begin - length)
        length += len(part) + len(_BREAK)
    return View(_BREAK.join(texts), tuple(begins), tuple(offsets))


def matches(pattern: re.Pattern[str], view: View | None) -> Iterator[tuple[re.Match[str], int]]:
    """All matches of a pattern in a view, if there is one, and where in the text each begins."""
    if view is None:
        return
    for match in pattern.finditer(view.text):
        yield match, view.at(match.start())

"""Reads tables of any kind by the headings of their columns: Markdown, CSV, columns with tabulators between."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.fields.labels import field
from backend_adapter.egress.detect.fields.values import value_hits
from backend_adapter.egress.detect.hits import Hit

_MARKS = ("|", "\t", ";", ",")
_RULER = re.compile(r"[\s|+:=-]+")
# In characters.
_LONGEST_HEADINGS, _LONGEST_HEADING = 2000, 40


def tables(text: str) -> Iterator[Hit]:
    """The values of all columns in a text that one can tell the meaning of."""
    lines = list(_lines(text)) if "\n" in text else []
    number = 0
    while number < len(lines) - 1:
        start, end = lines[number]
        headings = _headings(text[start:end]) if end - start <= _LONGEST_HEADINGS else None
        number += 1
        if headings is None:
            continue
        mark, sorts = headings
        while number < len(lines):
            begin, stop = lines[number]
            line = text[begin:stop]
            if _RULER.fullmatch(line) and line.strip():
                number += 1
                continue
            cells = _cells(line, mark)
            # A comma too many is one of an amount that nobody put in quotes.
            if len(cells) < len(sorts) or (len(cells) > len(sorts) and mark != ","):
                break
            for sort, (left, right) in zip(sorts, cells, strict=False):
                if sort is not None:
                    yield from value_hits(sort, text, begin + left, begin + right, whole=True)
            number += 1


def _headings(line: str) -> tuple[str, list[str | None]] | None:
    """The mark between the cells of a line of headings, and what is asked for under each; None for another line."""
    for mark in _MARKS:
        if mark not in line:
            continue
        cells = _cells(line, mark)
        labels = [line[left:right] for left, right in cells]
        if len(cells) < 2 or any(len(label) > _LONGEST_HEADING for label in labels):
            continue
        sorts = [field(label) for label in labels]
        if "part" in sorts:
            sorts = ["part" if sort == "name" else sort for sort in sorts]
        told = sum(sort is not None for sort in sorts)
        # A sentence has commas too, and a row of a table may begin with a word that is a heading elsewhere.
        if told >= 2 or (
            told == 1 and len(cells) <= 12 and (mark != "," or not re.search(r"[\s.:]", line))
        ):
            return mark, sorts
    return None


def _cells(line: str, mark: str) -> list[tuple[int, int]]:
    """Begin and end of each cell, without the quotes around it."""
    cells, begin, quoted = list[tuple[int, int]](), 0, False
    if '"' not in line:
        position = 0
        for part in line.split(mark):
            cells.append((position, position + len(part)))
            position += len(part) + 1
    else:
        for position, char in enumerate(line):
            if char == '"':
                quoted = not quoted
            elif char == mark and not quoted:
                cells.append((begin, position))
                begin = position + 1
        cells.append((begin, len(line)))
        cells = [_unquoted(line, *cell) for cell in cells]
    if mark == "|" and cells and not line[slice(*cells[0])].strip():
        cells = cells[1:]
    if mark == "|" and cells and not line[slice(*cells[-1])].strip():
        cells = cells[:-1]
    return cells


def _unquoted(line: str, begin: int, end: int) -> tuple[int, int]:
    while begin < end and line[begin] in ' "':
        begin += 1
    while end > begin and line[end - 1] in ' "':
        end -= 1
    return begin, end


def _lines(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while (end := text.find("\n", begin)) >= 0:
        yield begin, end - (text[end - 1 : end] == "\r")
        begin = end + 1
    yield begin, len(text)

"""A program in a model's place, which answers from what it is told and from nothing else.

It reads the last table of the conversation, takes the row that the question speaks of and says what stands in the
columns that the question names; or it says the line of a document that shares most words with the question. So its
answer is right where what belongs together still belongs together under the names that it is told.
"""

import re
from datetime import datetime
from typing import Any

_WORD = re.compile(r"\w{4,}")
_COLUMN = re.compile(r"\((\w+)\)")
_DATES = ("%Y-%m-%d", "%d.%m.%Y")


def answer(body: dict[str, Any]) -> str:
    """What it says to a request."""
    messages = body["messages"]
    question = next(_text(each) for each in messages if each["role"] == "user")
    told = next((_text(each) for each in reversed(messages) if each["role"] == "tool"), "")
    rows = _rows(told)
    if not rows:
        return _line(question, told)
    wanted = [name for name in _COLUMN.findall(question) if name in rows[0]] or list(rows[0])
    if "frühesten" in question:
        row = min(rows, key=lambda each: _day(each[wanted[-1]]))
        return f"Das ist {row[wanted[0]]}."
    row = max(rows, key=lambda each: _spoken_of(each, question))
    return f"{question.partition(' (')[0]}: {', '.join(row[name] for name in wanted)}."


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return (
        content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
    )


def _rows(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if len(cells) < 3:
        return []
    return [dict(zip(cells[0], row, strict=False)) for row in cells[2:]]


def _spoken_of(row: dict[str, str], question: str) -> int:
    """How many letters of its cells the question names."""
    return sum(len(cell) for cell in row.values() if len(cell) > 2 and cell in question)


def _day(text: str) -> datetime:
    for shape in _DATES:
        try:
            return datetime.strptime(text, shape)
        except ValueError:
            continue
    return datetime.max


def _line(question: str, text: str) -> str:
    asked = set(_WORD.findall(question.casefold()))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return max(lines, key=lambda line: len(asked & set(_WORD.findall(line.casefold()))), default="")

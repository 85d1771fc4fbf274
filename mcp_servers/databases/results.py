"""Query results as text: a compact Markdown table, then what it is and where it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from mcp_servers.databases.engines import Rows
from mcp_servers.databases.labelling import ELLIPSIS, distinct, values
from mcp_servers.labels import MAX_VALUE_CHARS, Value
from mcp_servers.settings import DataClass, Kind


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a result is shown, in characters."""

    cell: int
    total: int


@dataclass(frozen=True, slots=True)
class Result:
    """A result as text, and the labelled values that it shows."""

    text: str
    values: tuple[Value, ...]


def result(
    rows: Rows,
    kinds: Sequence[Kind | None],
    database: str,
    data_class: DataClass,
    sql: str,
    limits: Limits,
) -> Result:
    """The rows that fit, how many there are, and the citation; `kinds` are the labels of the columns."""
    source = f"source: query on database {database} ({data_class}): {one_line(sql, 2_000)}"
    head = [
        _line([one_line(name, limits.cell) for name in rows.columns]),
        "|" + " --- |" * len(rows.columns),
    ]
    shown = head.copy()
    found: list[Value] = []
    room = limits.total - len(source) - 200 - sum(map(len, head))
    # What is longer cannot be registered, so no more of it is shown.
    widths = [min(limits.cell, MAX_VALUE_CHARS) if kind else limits.cell for kind in kinds]
    for row in rows.rows:
        cells = [cell(value, width) for value, width in zip(row, widths, strict=True)]
        line = _line(cells)
        room -= len(line) + 1
        if room < 0:
            break
        shown.append(line)
        for kind, value, text in zip(kinds, row, cells, strict=True):
            if kind is not None:
                found.extend(values(kind, value, text))
    lines = [*shown, "", _count(len(shown) - len(head), rows), source]
    return Result("\n".join(lines), distinct(found))


def _count(shown: int, rows: Rows) -> str:
    if shown < len(rows.rows):
        return (
            f"rows: first {shown} of {len(rows.rows)}{' or more' if rows.more else ''} "
            "(truncated; select fewer columns, or add WHERE or LIMIT)"
        )
    if rows.more:
        return f"rows: first {shown} (truncated, there are more; add WHERE, LIMIT or an aggregate)"
    return f"rows: {shown}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def cell(value: object, limit: int) -> str:
    """One value: NULL by name, bytes by their size, everything else on one line."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(bytes(value))} bytes>"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float):
        # Fifteen digits hide what binary fractions add: 0.1 + 0.2 is 0.3.
        return f"{value:.15g}"
    return one_line(str(value), limit)


def one_line(text: str, limit: int) -> str:
    """Text as it fits into a table's cell."""
    flat = " ".join(text.split()).replace("|", "\\|")
    return flat if len(flat) <= limit else flat[: limit - 1] + ELLIPSIS

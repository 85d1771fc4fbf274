"""What a run found, as tables for people."""

from collections.abc import Sequence

from benchmarks.faults.cases import Row
from benchmarks.faults.soak import Soak


def table(rows: Sequence[Row]) -> str:
    """The matrix as a Markdown table: a line for each shape and place, a column for each kind of engine.

    A cell says how the answer was gone on with: a dash where nothing had to be, `error` where it ended in
    an error that keeps the text.
    """
    kinds = list(dict.fromkeys((row.engine, row.decoding) for row in rows))
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for row in rows:
        cells.setdefault((row.where, row.shape), {})[row.engine, row.decoding] = _cell(row)
    # Shapes that went the same way share a line.
    lines: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (where, shape), ways in cells.items():
        lines.setdefault((where, tuple(ways.get(kind, "") for kind in kinds)), []).append(shape)
    found = [
        "| where | fault | " + " | ".join(f"{engine} {how}" for engine, how in kinds) + " |",
        "|---" * (len(kinds) + 2) + "|",
    ]
    for (where, how), shapes in lines.items():
        found.append(f"| {where} | {', '.join(shapes)} | " + " | ".join(how) + " |")
    for row in rows:
        if row.broken:
            named = (row.engine, row.decoding, row.where, row.shape)
            found.append(f"✘ {' · '.join(named)}: {row.broken}")
    found.append(f"\n{len(rows)} cases, {sum(bool(row.broken) for row in rows)} broken")
    return "\n".join(found)


def _cell(row: Row) -> str:
    if row.broken:
        return "✘"
    if row.expected != "whole":
        return row.expected
    return row.way or "–"


def soak_lines(found: Soak) -> str:
    """A soak in a few lines."""
    faults = ", ".join(f"{shape} {count}" for shape, count in found.faults.items())
    lines = [
        f"{found.answers} answers in {found.seconds:g} s, {found.broken} broken, {found.left} left by "
        f"their client, {found.gone_on} gone on with by another replica",
        f"{sum(found.faults.values())} faults met: {faults}; {found.engines_lost} engines lost",
        f"adapter: {found.rss_steady_mb} MB after the warm-up, {found.rss_end_mb} MB in the end, "
        f"{found.rss_slope_mb_per_minute:+} MB a minute",
        *found.first_broken,
    ]
    return "\n".join(lines)

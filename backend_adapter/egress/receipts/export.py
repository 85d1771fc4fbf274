"""Receipts as a table for other programs: CSV as RFC 4180 has it, safe to open in a spreadsheet."""

import csv
import re
from collections.abc import AsyncIterator, Mapping
from typing import TextIO

from backend_adapter.egress.receipts.chain import Link, readable
from backend_adapter.egress.receipts.record import as_json

# A cell that begins so is computed by spreadsheets. One that reads the file with another separator, as
# German ones do, begins a cell after that as well.
_FORMULA = re.compile(r"(^|[;,|\"'])(\s*)([=+\-@＝＋－＠])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
COLUMNS = (
    "seq", "time", "user", "client", "chat", "message", "task", "model", "destination", "site", "trust",
    "action", "policy", "data_class", "passages", "counts", "bytes", "body_sha256", "previous", "hash",
)  # fmt: skip


async def write_csv(out: TextIO, links: AsyncIterator[Link]) -> int:
    """Write a line of headings and one for each receipt to `out`, a file opened with `newline=""`.

    Returns how many. Raises BrokenChainError for one that cannot be read, and DatabaseError.
    """
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    written = 0
    async for link in links:
        own = {"seq": link.seq, "previous": link.previous, "hash": link.hash}
        values = as_json(readable(link)) | own
        writer.writerow([cell(values[name]) for name in COLUMNS])
        written += 1
    return written


def cell(value: object) -> str:
    """One line of text that no spreadsheet computes: an apostrophe stands before what would be a formula."""
    if isinstance(value, Mapping):
        value = counted(value)
    text = _CONTROL.sub(" ", str(value))
    return _FORMULA.sub(r"\1\2'\3", text)


def counted(counts: Mapping[str, int]) -> str:
    """Counts in one line, the categories in the order of their names."""
    return ", ".join(f"{count} × {name}" for name, count in sorted(counts.items()))

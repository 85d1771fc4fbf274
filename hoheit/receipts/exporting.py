"""Writes receipts to a file for a data protection officer."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from backend_adapter.egress.receipts.export import write_csv
from backend_adapter.egress.receipts.report_words import Language
from backend_adapter.egress.receipts.store import Receipts, Selection
from hoheit.errors import HoheitError


async def export_csv(receipts: Receipts, selection: Selection, output: Path) -> int:
    """One line for each receipt; returns how many.

    Raises HoheitError where `output` cannot be written, BrokenChainError and DatabaseError.
    """
    with _whole(output) as file:
        return await write_csv(file, receipts.rows(selection))


async def export_pdf(
    receipts: Receipts,
    selection: Selection,
    output: Path,
    language: Language,
    font: Path | None,
) -> int:
    """Pages for each chat; returns how many receipts.

    Raises HoheitError where `output` cannot be written or `font` is none, BrokenChainError and DatabaseError.
    """
    from dataclasses import replace

    from backend_adapter.egress.receipts.chain import FIRST, START
    from backend_adapter.egress.receipts.report import Report

    newest = await receipts.latest(Selection(), 1)
    head = (newest[0].seq, newest[0].hash) if newest else (FIRST - 1, START)
    try:
        report = Report(head, language, font)
    except (OSError, ValueError) as error:
        raise HoheitError(
            f"The font {font} cannot be used: {error}.", "Name a TrueType file (.ttf)."
        ) from None
    count = 0
    for chat in await receipts.chats(selection):
        links = [link async for link in receipts.rows(replace(selection, chat=chat))]
        report.add(chat, links)
        count += len(links)
    with _whole(output) as file:
        file.buffer.write(report.pdf())
    return count


@contextmanager
def _whole(output: Path) -> Iterator[TextIO]:
    """A file that only its owner can read, and that is there only once it is complete."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
        Path(temporary).replace(output)
    except OSError as error:
        raise HoheitError(
            f"{output} cannot be written: {error.strerror}.",
            "Name a file in a folder that this user may write, on a disk with room.",
        ) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)

"""Word and Excel files: zip archives, so their unpacked size is looked at before anything else."""

import re
import zipfile
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import BinaryIO, Final

import docx
import openpyxl
from docx.table import Table

from mcp_servers.files.documents import MAX_TEXT_CHARS, Document, Part, clean
from mcp_servers.files.formats import Unreadable
from mcp_servers.files.formats.text import sections

MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024

# The first bytes of the container that Office puts around a document with a password.
_ENCRYPTED = b"\xd0\xcf\x11\xe0"


def read_docx(file: BinaryIO, name: str) -> Document:
    """Word: one part per heading, tables as Markdown."""
    _check_archive(file)
    word = docx.Document(file)
    blocks: list[str] = []
    for item in word.iter_inner_content():
        if isinstance(item, Table):
            blocks.append(table([[cell.text for cell in row.cells] for row in item.rows]))
            continue
        text = " ".join(item.text.split())
        style = (item.style.name if item.style else "") or ""
        depth = 1 if style == "Title" else _heading_depth(style)
        if text and depth:
            text = f"{'#' * depth} {text}"
        elif text and style.startswith("List"):
            text = f"- {text}"
        blocks.append(text)
    text = re.sub(r"^(- .*)\n\n(?=- )", r"\1\n", "\n\n".join(filter(None, blocks)), flags=re.M)
    document = sections(clean(text), name, lines=False)
    title = clean(word.core_properties.title or "").strip()
    # "Word Document" is what the library's own template is called.
    if not title or title == "Word Document":
        title = document.title
    return Document(title, document.parts, document.truncated)


def _heading_depth(style: str) -> int:
    match = re.fullmatch(r"(?:Heading|Überschrift) ([1-6])", style, re.IGNORECASE)
    return int(match[1]) if match else 0


def read_xlsx(file: BinaryIO, name: str) -> Document:
    """Excel: one part per sheet, as a Markdown table of the values last computed."""
    _check_archive(file)
    book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    parts: list[Part] = []
    room = MAX_TEXT_CHARS
    for sheet in book.worksheets:
        rows: list[list[str]] = []
        for cells in sheet.iter_rows(values_only=True):
            row = [_cell(value) for value in cells]
            while row and not row[-1]:
                row.pop()
            room -= sum(map(len, row)) + 3 * len(row)
            if room < 0:
                break
            if row:
                rows.append(row)
        if rows:
            text = table(rows)
            header = "\n".join(text.split("\n")[:2])
            parts.append(Part(text, f"sheet={sheet.title}", sheet.title, header=header))
    book.close()
    return Document(name, tuple(parts), truncated=room < 0)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.10g}"
    return clean(str(value))


def table(rows: Iterable[list[str]]) -> str:
    """Rows as a Markdown table; the first row is its head, short rows are filled up."""
    full = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    if not full:
        return ""
    width = max(map(len, full))
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in full]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def _check_archive(file: BinaryIO) -> None:
    if file.read(4) == _ENCRYPTED:
        raise Unreadable("it is protected by a password, or in the format of Office before 2007")
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    file.seek(0)
    if unpacked > MAX_UNPACKED_BYTES:
        raise Unreadable(f"it would unpack to {unpacked // 2**20} MiB")

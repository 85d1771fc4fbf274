"""Writes DOCX and XLSX, then packs them again with fixed times so that every run gives the same bytes."""

import io
import re
import zipfile
from datetime import datetime, time
from pathlib import Path

import docx
import openpyxl
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from source.markup import Document, Heading, Items, Paragraph, Table

AUTHOR = "Stadt Lindenau an der Wette"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")


def write_docx(document: Document, target: Path) -> None:
    file = docx.Document()
    file.add_heading(document.title, level=0)
    for block in document.blocks:
        match block:
            case Heading(text):
                file.add_heading(text, level=1)
            case Paragraph(text):
                file.add_paragraph(text)
            case Items(texts, numbered):
                for text in texts:
                    file.add_paragraph(text, style="List Number" if numbered else "List Bullet")
            case Table(head, rows):
                grid = file.add_table(rows=0, cols=len(head), style="Table Grid")
                for row in (head, *rows):
                    for cell, text in zip(grid.add_row().cells, row, strict=True):
                        cell.text = text
    stamp = datetime.combine(document.date, time(12))
    properties = file.core_properties
    properties.title, properties.author = document.title, AUTHOR
    properties.language = document.language
    properties.created = properties.modified = stamp
    properties.comments = document.office
    buffer = io.BytesIO()
    file.save(buffer)
    _pack(buffer.getvalue(), target, stamp)


def write_xlsx(document: Document, target: Path) -> None:
    """Each heading becomes a sheet, the table below it the sheet's cells; numbers become numbers."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    sheet = None
    for block in document.blocks:
        match block:
            case Heading(text):
                sheet = book.create_sheet(text)
            case Table(head, rows):
                sheet.append(head)
                for row in rows:
                    sheet.append([_number(cell) for cell in row])
                for cell in sheet[1]:
                    cell.font = Font(bold=True)
                for index, column in enumerate(zip(head, *rows, strict=True), start=1):
                    width = min(60, max(len(text) for text in column) + 2)
                    sheet.column_dimensions[get_column_letter(index)].width = width
                sheet.freeze_panes = "A2"
    stamp = datetime.combine(document.date, time(12))
    book.properties.title, book.properties.creator = document.title, AUTHOR
    book.properties.language = document.language
    book.properties.created = stamp
    buffer = io.BytesIO()
    book.save(buffer)
    _pack(buffer.getvalue(), target, stamp)


def _number(cell: str) -> str | int | float:
    if re.fullmatch(r"[1-9]\d*", cell):
        return int(cell)
    return float(cell) if re.fullmatch(r"\d+\.\d+", cell) else cell


def _pack(archive: bytes, target: Path, stamp: datetime) -> None:
    """Copies the archive member by member: fixed times, and the time openpyxl set on saving."""
    modified = rb"\g<1>" + stamp.strftime("%Y-%m-%dT%H:%M:%SZ").encode() + rb"\g<2>"
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = MODIFIED.sub(modified, data)
            member = zipfile.ZipInfo(name, date_time=ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            new.writestr(member, data)

"""PDF by page, through pdfium."""

import re
from typing import BinaryIO

import pypdfium2

from mcp_servers.files.documents import MAX_TEXT_CHARS, Document, Part, clean
from mcp_servers.files.formats import Unreadable

# pdfium marks a hyphen that only breaks a word over two lines with one of these characters.
_BROKEN_WORD = re.compile(r"[￾\x02]\s*")
_HYPHENATED = re.compile(r"(?<=[a-zäöüß])-\n(?=[a-zäöüß])")


def read_pdf(file: BinaryIO, name: str) -> Document:
    """PDF: one part per page that has text."""
    try:
        pdf = pypdfium2.PdfDocument(file.read())
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("it is protected by a password") from None
        raise
    parts: list[Part] = []
    room = MAX_TEXT_CHARS
    with pdf:
        title = clean(str(pdf.get_metadata_value("Title") or "")).strip()
        for number in range(1, len(pdf) + 1):
            text = _page_text(pdf, number - 1)
            room -= len(text)
            if room < 0:
                return Document(title or name, tuple(parts), truncated=True)
            if text:
                parts.append(Part(text, f"page={number}"))
    if not parts:
        raise Unreadable("its pages hold no text, perhaps because they are scanned images")
    return Document(title or name, tuple(parts))


def _page_text(pdf: pypdfium2.PdfDocument, index: int) -> str:
    page = pdf[index]
    try:
        text_page = page.get_textpage()
        try:
            raw = _BROKEN_WORD.sub("", text_page.get_text_bounded())
        finally:
            text_page.close()
    finally:
        page.close()
    return _HYPHENATED.sub("", clean(raw)).strip()

"""Cutting documents into passages: short enough to quote whole, long enough to be understood."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mcp_servers.files.documents import Document, Part

PASSAGE_CHARS: Final = 600

_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+")
# Pages of a PDF have no empty lines; a statute's paragraphs still begin where these match.
_PARAGRAPH = re.compile(r"^(§+ ?\d|\d{1,2}(\.\d{1,2})*\.? [A-ZÄÖÜ]|(TOP|Art\.|Artikel|Section) \d)")
_TABLE_RULE = re.compile(r"^\|[\s:|-]+\|\s*$")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: `anchor` goes into its citation, `trail` are the headings above it."""

    anchor: str
    trail: str
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines that belong together; `header` is what each piece of a table repeats."""

    text: str
    line: int
    header: str


def passages(document: Document) -> Iterator[Passage]:
    """All passages of a document, in reading order."""
    for part in document.parts:
        for line, text in _packed(part):
            if any(char.isalnum() for char in _without_heading(part, text)):
                anchor = part.anchor or (f"line={line}" if part.line is not None else "")
                yield Passage(anchor, part.trail, text)


def _without_heading(part: Part, text: str) -> str:
    """The text below a section's heading: a heading alone is no passage."""
    if part.anchor.startswith("section=") and text.split("\n")[0] == part.text.split("\n")[0]:
        return text.partition("\n")[2]
    return text


def _packed(part: Part) -> Iterator[tuple[int, str]]:
    """Neighbouring blocks together, as many as fit; each with its first line's number."""
    pending: list[str] = []
    start = size = 0
    for block in _blocks(part):
        for line, piece in _pieces(block):
            if pending and size + len(piece) + 2 > PASSAGE_CHARS:
                yield start, "\n\n".join(pending)
                pending, size = [], 0
            if not pending:
                start = line
            pending.append(piece)
            size += len(piece) + 2
    if pending:
        yield start, "\n\n".join(pending)


def _blocks(part: Part) -> Iterator[_Block]:
    lines: list[str] = []
    for number, line in enumerate([*part.text.split("\n"), ""], start=part.line or 1):
        if line.strip() and not (lines and _PARAGRAPH.match(line)):
            lines.append(line.rstrip())
            continue
        if lines:
            header = part.header
            if not header and len(lines) > 2 and _TABLE_RULE.match(lines[1]):
                header = "\n".join(lines[:2])
            yield _Block("\n".join(lines), number - len(lines), header)
        lines = [line.rstrip()] if line.strip() else []


def _pieces(block: _Block) -> Iterator[tuple[int, str]]:
    """A block cut to passages' length: tables between rows, text between lines or sentences."""
    if len(block.text) <= PASSAGE_CHARS:
        yield block.line, block.text
        return
    # A head so long that no row fits beside it is not repeated.
    header = block.header if len(block.header) < PASSAGE_CHARS // 2 else ""
    room = PASSAGE_CHARS - len(header) - 1 if header else PASSAGE_CHARS
    head_lines = header.count("\n") + 1 if header and block.text.startswith(header) else 0
    pending: list[str] = []
    start, size = block.line, 0
    for offset, line in enumerate(block.text.split("\n")):
        if offset < head_lines:
            continue
        for piece in _short(line, room):
            if pending and size + len(piece) + 1 > room:
                yield start, _join(header, pending)
                pending, size = [], 0
            if not pending:
                start = block.line + offset
            pending.append(piece)
            size += len(piece) + 1
    if pending:
        yield start, _join(header, pending)


def _join(header: str, lines: list[str]) -> str:
    return "\n".join([header, *lines] if header else lines)


def _short(line: str, room: int) -> Iterator[str]:
    """A line cut at sentence ends, or at spaces or anywhere if a sentence alone is too long."""
    if len(line) <= room:
        yield line
        return
    current = ""
    for sentence in _SENTENCE_END.split(line):
        if current and len(current) + len(sentence) + 1 > room:
            yield current
            current = ""
        current = f"{current} {sentence}" if current else sentence
        while len(current) > room:
            cut = current.rfind(" ", room // 2, room)
            cut = cut if cut > 0 else room
            yield current[:cut].rstrip()
            current = current[cut:].lstrip()
    if current:
        yield current

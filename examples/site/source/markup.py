"""Reads the collections in `texts/` into documents.

One collection holds many documents, each introduced by `%%% path`, a TOML header and `%%%`. The body
knows five things: `## heading`, `| table | rows |` (first row is the head), `- item`, a numbered
`1. item`, and `<<page>>` for a page break in PDF. Everything else is a paragraph; wrapped lines of
one paragraph are joined.
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

DATA_CLASSES = {
    "oeffentlich": "public",
    "intern": "internal",
    "vertraulich": "confidential",
    "geheim": "secret",
}


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Items:
    texts: tuple[str, ...]
    numbered: bool


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class PageBreak:
    pass


Block = Heading | Paragraph | Items | Table | PageBreak


@dataclass(frozen=True)
class Document:
    path: str
    title: str
    language: str
    date: date
    office: str
    blocks: tuple[Block, ...]

    @property
    def format(self) -> str:
        return self.path.rsplit(".", 1)[1]

    @property
    def data_class(self) -> str:
        return DATA_CLASSES[self.path.split("/", 1)[0]]

    @property
    def pages(self) -> int | None:
        """Number of pages, known only for PDF, where page breaks are explicit."""
        if self.format != "pdf":
            return None
        return 1 + sum(isinstance(block, PageBreak) for block in self.blocks)


def read_collections(folder: Path) -> list[Document]:
    """All documents of all collections, ordered by path."""
    documents = []
    for collection in sorted(folder.glob("*.md")):
        text = collection.read_text(encoding="utf-8")
        parts = re.split(r"^%%%(?: (.+))?$\n", text, flags=re.MULTILINE)
        for path, header, body in zip(parts[1::4], parts[2::4], parts[4::4], strict=True):
            documents.append(_document(path, header, body))
    return sorted(documents, key=lambda document: document.path)


def _document(path: str, header: str, body: str) -> Document:
    fields = tomllib.loads(header)
    return Document(
        path=path,
        title=fields["title"],
        language=fields["language"],
        date=fields["date"],
        office=fields["office"],
        blocks=tuple(_blocks(body)),
    )


def _blocks(body: str) -> list[Block]:
    blocks: list[Block] = []
    lines = body.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        kind = _kind(line)
        end = at + 1
        while end < len(lines) and kind in ("|", "-", "1.", "text") and _kind(lines[end]) == kind:
            end += 1
        if kind in ("-", "1."):
            items = tuple(entry.split(" ", 1)[1] for entry in lines[at:end])
            blocks.append(Items(items, numbered=kind == "1."))
        elif kind == "|":
            cells = [
                tuple(c.strip() for c in row.strip("| ").split(" | ")) for row in lines[at:end]
            ]
            width = len(cells[0])
            rows = tuple(row + ("",) * (width - len(row)) for row in cells[1:])
            blocks.append(Table(cells[0], rows))
        elif kind == "#":
            blocks.append(Heading(line[3:]))
        elif kind == "page":
            blocks.append(PageBreak())
        elif kind == "text":
            blocks.append(Paragraph(" ".join(lines[at:end])))
        at = end
    return blocks


def _kind(line: str) -> str:
    if not line.strip():
        return "empty"
    if line == "<<page>>":
        return "page"
    for start, kind in (("## ", "#"), ("|", "|"), ("- ", "-")):
        if line.startswith(start):
            return kind
    return "1." if re.match(r"\d+\. ", line) else "text"

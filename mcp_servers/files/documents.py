"""A document after conversion: text in parts, each with the anchor that a citation names."""

import unicodedata
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Final

MAX_TEXT_CHARS: Final = 5_000_000
"""Text beyond this is left out of a document, and the reader is told."""

FORMATS: Final = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".log": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".xlsx": "xlsx",
}
"""File name endings that can be read, and the converter that reads them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A page, sheet or section.

    `anchor` is what follows `#` in a citation; where it is empty and `line` is set, citations
    name the line. `line` is the part's first line in the file. `trail` are the headings above,
    `level` the heading's depth, `header` the lines that each piece of a table repeats.
    """

    text: str
    anchor: str = ""
    trail: str = ""
    level: int = 0
    line: int | None = None
    header: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one document in reading order."""

    title: str
    parts: tuple[Part, ...]
    truncated: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data for the way out of the converting process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Document":
        """The way back.

        Raises:
            KeyError, TypeError: the data are not what `to_json` makes.
        """
        parts = tuple(Part(**part) for part in data["parts"])
        return cls(str(data["title"]), parts, bool(data["truncated"]))


def format_of(path: str) -> str | None:
    """The converter for a file, by its name; None if there is none."""
    return FORMATS.get(PurePosixPath(path).suffix.lower())


def clean(text: str) -> str:
    """Text with one spelling of line ends and letters, and without control characters."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.replace("\f", "\n").replace("\xa0", " ").replace("\xad", "")
    return "".join(c for c in text if (c >= " " and c != "\x7f") or c in "\n\t")


def limited(title: str, parts: list[Part]) -> Document:
    """A document of these parts, cut at `MAX_TEXT_CHARS`."""
    kept: list[Part] = []
    room = MAX_TEXT_CHARS
    for part in parts:
        if len(part.text) > room:
            kept.append(replace(part, text=part.text[:room]))
            return Document(title, tuple(kept), truncated=True)
        kept.append(part)
        room -= len(part.text)
    return Document(title, tuple(kept))

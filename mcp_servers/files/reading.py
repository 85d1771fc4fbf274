"""A document as one text to page through, with marks that tell where a page or sheet begins."""

from dataclasses import dataclass

from mcp_servers.errors import AccessError
from mcp_servers.files.documents import Document
from mcp_servers.files.words import fold


@dataclass(frozen=True, slots=True)
class Slice:
    """A piece of a document's text; `next` is where the following piece starts, if there is one."""

    text: str
    start: int
    next: int | None
    total: int


def read_slice(document: Document, anchor: str, start: int, limit: int) -> Slice:
    """At most `limit` characters from `start`, or of the place that `anchor` names.

    A section is read with the sections below it; pages and sheets are read alone; from a line,
    reading goes on to the end.

    Raises:
        AccessError: the document has no such place.
    """
    text, begins = _joined(document)
    begin, end = 0, len(text)
    if anchor:
        begin, end = _place(document, anchor, text, begins)
    begin = max(begin, min(start, end))
    if end - begin <= limit:
        return Slice(text[begin:end].strip("\n"), begin, None, len(text))
    # A cut between two lines leaves sentences and table rows whole.
    cut = text.rfind("\n", begin + limit // 2, begin + limit)
    cut = cut + 1 if cut > 0 else begin + limit
    return Slice(text[begin:cut].strip("\n"), begin, cut, len(text))


def _joined(document: Document) -> tuple[str, list[int]]:
    pieces, begins, at = [], [], 0
    for part in document.parts:
        mark = (
            "" if not part.anchor or part.anchor.startswith("section=") else f"[#{part.anchor}]\n"
        )
        piece = f"{mark}{part.text}\n\n"
        begins.append(at)
        pieces.append(piece)
        at += len(piece)
    return "".join(pieces), begins


def _place(document: Document, anchor: str, text: str, begins: list[int]) -> tuple[int, int]:
    kind, _, value = anchor.partition("=")
    ends = [*begins[1:], len(text)]
    if kind == "line" and value.isdigit():
        return _from_line(document, int(value), text, begins)
    wanted = fold(value)
    names = [part.anchor.partition("=") for part in document.parts]
    same = [i for i, name in enumerate(names) if name[0] == kind and fold(name[2]) == wanted]
    # A small model shortens headings, so a beginning is enough where nothing fits exactly.
    same = same or [
        i
        for i, name in enumerate(names)
        if kind == "section" and name[0] == kind and wanted and fold(name[2]).startswith(wanted)
    ]
    if not same:
        there = [name[2] for name in names if name[0]][:40]
        form = names[0][0] or names[-1][0] if names else ""
        raise AccessError(
            f"The document has no {kind} {value!r}.",
            f"Each {form} in it: {', '.join(there)}." if form else "Read it without #.",
        )
    first = same[0]
    last = first
    level = document.parts[first].level
    while kind == "section" and last + 1 < len(begins) and document.parts[last + 1].level > level:
        last += 1
    return begins[first], ends[last]


def _from_line(document: Document, line: int, text: str, begins: list[int]) -> tuple[int, int]:
    """From a line of the file to the end."""
    for part, begin in reversed(list(zip(document.parts, begins, strict=True))):
        if part.line is not None and part.line <= max(line, 1):
            at = begin
            for _ in range(line - part.line):
                following = text.find("\n", at)
                if following < 0 or following - begin >= len(part.text):
                    break
                at = following + 1
            return at, len(text)
    return 0, len(text)

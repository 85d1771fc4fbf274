"""Plain text, Markdown and CSV."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from mcp_servers.files.documents import Document, Part, clean, limited
from mcp_servers.files.formats import Unreadable

_ATX = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-{3,})[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`#]+")


def decode(data: bytes) -> str:
    """Text of a file whose encoding nobody declared: a byte order mark, UTF-8, then Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return clean(data.decode("utf-16", errors="replace"))
    if b"\0" in data[:65536]:
        raise Unreadable("it holds binary data, not text")
    try:
        return clean(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return clean(data.decode("cp1252", errors="replace"))


def read_text(file: BinaryIO, name: str) -> Document:
    """Plain text: cited by line, and by section where headings are underlined."""
    return sections(decode(file.read()), name, lines=True, marks=False)


def read_markdown(file: BinaryIO, name: str) -> Document:
    """Markdown: one part per section."""
    return sections(decode(file.read()), name, lines=True)


def read_csv(file: BinaryIO, name: str) -> Document:
    """CSV: the lines as they are, cited by line; every passage repeats the heading line."""
    text = decode(file.read())
    header = text.partition("\n")[0]
    try:
        csv.Sniffer().sniff(text[:8192], delimiters=";,\t|")
    except csv.Error:
        header = ""
    return limited(name, [Part(text, line=1, header=header)])


@dataclass(slots=True)
class _Section:
    heading: str
    level: int
    line: int
    lines: list[str]


def sections(text: str, name: str, *, lines: bool, marks: bool = True) -> Document:
    """Split Markdown at its headings; without `marks`, at underlined headings only.

    A section's anchor is its heading; a heading met again gets a number, so that every anchor
    names one section. With `lines`, text before the first heading is cited by line.
    """
    found = list(_split(text, marks))
    parts: list[Part] = []
    above: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    for section in found:
        anchor = ""
        if section.heading:
            above = [pair for pair in above if pair[0] < section.level]
            above.append((section.level, section.heading))
            seen[section.heading] = times = seen.get(section.heading, 0) + 1
            anchor = f"section={section.heading}" + (f" ({times})" if times > 1 else "")
        body = "\n".join(section.lines).strip("\n")
        if body.strip():
            trail = " > ".join(heading for _, heading in above)
            line = section.line if lines else None
            parts.append(Part(body, anchor, trail, section.level, line))
    title = next((s.heading for s in sorted(found, key=lambda s: s.level) if s.heading), name)
    return limited(title, parts)


def _split(text: str, marks: bool) -> Iterator[_Section]:
    current = _Section("", 0, 1, [])
    fence = ""
    for number, line in enumerate(text.split("\n"), start=1):
        mark = _FENCE.match(line) if marks else None
        if mark and (not fence or line.strip().startswith(fence)):
            fence = "" if fence else mark[1]
        heading = _ATX.match(line) if marks and not fence else None
        under = None if fence or heading else _SETEXT.match(line)
        if heading and plain(heading[2]):
            yield current
            current = _Section(plain(heading[2]), len(heading[1]), number, [line])
        elif under and _may_be_heading(current.lines):
            title = current.lines.pop()
            yield current
            level = 1 if under[1].startswith("=") else 2
            current = _Section(plain(title), level, number - 1, [title, line])
        else:
            current.lines.append(line)
    yield current


def _may_be_heading(lines: list[str]) -> bool:
    """Whether the last line, being underlined, is a heading: text alone after an empty line."""
    if not lines or not plain(lines[-1]) or lines[-1].lstrip().startswith(("|", "-", ">")):
        return False
    return len(lines) == 1 or not lines[-2].strip()


def plain(heading: str) -> str:
    """A heading without Markdown's marks, on one line, short enough for a citation."""
    return " ".join(_MARKUP.sub(lambda m: m[1] or "", heading).split())[:120]

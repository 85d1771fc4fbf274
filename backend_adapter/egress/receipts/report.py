"""Receipts as a PDF for a data protection officer: for each chat what left, and the sums of it."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from fpdf import FPDF
from fpdf.enums import Align

from backend_adapter.egress.receipts.chain import Link, readable
from backend_adapter.egress.receipts.export import counted
from backend_adapter.egress.receipts.record import Receipt, iso
from backend_adapter.egress.receipts.report_words import WORDS, Language, Words

# What the fonts that every PDF reader has can show.
_CORE = "Helvetica"
_CORE_ENCODING = "cp1252"
_OWN = "own"
# Longest text of a cell; a row must not be higher than a page.
_CELL_CHARS = 240
_HASH_CHARS = 16
_SMALL, _TEXT, _TITLE = 6.5, 9, 14
_GREY = 230
# Of a table, in millimetres.
_LINE, _PADDING = 3, 0.9
# Texts of cells that are kept as they were cut into lines, because most of them come again.
_MOST_WRAPPED = 10_000
# In millimetres of the 277 that a page has between its margins.
_WIDTHS = (11, 25, 27, 20, 27, 34, 24, 24, 16, 29, 18, 22)


class Report:
    """Pages for one chat after the other.

    `head` is the number and hash of the last receipt of the whole chain, and `font` a TrueType file for names
    that the readers' own fonts cannot show; without one their characters are written as U+0141.
    """

    def __init__(
        self, head: tuple[int, str], language: Language = "en", font: Path | None = None
    ) -> None:
        """Raises OSError where `font` cannot be read, and ValueError where it is none."""
        self._words = WORDS[language]
        self._head = head
        self._pdf = _Pages(self._words, font)
        self._pdf.set_title(self._words.title)
        self._pdf.set_lang(language)

    def add(self, chat: str, links: Sequence[Link]) -> None:
        """The pages of one chat. Raises BrokenChainError for a receipt that cannot be read."""
        receipts = [(link.seq, readable(link)) for link in links]
        words, pdf = self._words, self._pdf
        pdf.add_page()
        pdf.line_of(words.title, _TITLE, bold=True)
        pdf.line_of(f"{words.chat}: {chat}" if chat else words.without_chat, _TEXT, bold=True)
        if receipts:
            first, last = receipts[0][1].time, receipts[-1][1].time
            pdf.line_of(words.period.format(iso(first), iso(last), len(receipts)), _TEXT)
        pdf.line_of(words.head.format(*self._head), _TEXT)
        pdf.line_of(words.made.format(iso(datetime.now(UTC))), _TEXT)
        pdf.ln(2)
        self._table(receipts)
        self._sums([receipt for _, receipt in receipts])

    def pdf(self) -> bytes:
        """The whole file; where nothing was added, one page that says so."""
        if self._pdf.page == 0:
            self._pdf.add_page()
            self._pdf.line_of(self._words.title, _TITLE, bold=True)
            self._pdf.line_of(self._words.nothing, _TEXT)
            self._pdf.line_of(self._words.head.format(*self._head), _TEXT)
        return bytes(self._pdf.output())

    def _table(self, receipts: Sequence[tuple[int, Receipt]]) -> None:
        rows = [_row(seq, receipt, self._words) for seq, receipt in receipts]
        self._pdf.table_of(self._words.columns, rows, _WIDTHS)

    def _sums(self, receipts: Sequence[Receipt]) -> None:
        words, pdf = self._words, self._pdf
        protected: Counter[str] = Counter()
        destinations: dict[tuple[str, str, str], Counter[str]] = {}
        for receipt in receipts:
            protected.update(receipt.counts)
            place = (receipt.destination, receipt.site, words.trust[receipt.trust])
            sums = destinations.setdefault(place, Counter())
            sums["requests"] += 1
            sums["passages"] += sum(receipt.passages.values())
            sums["values"] += sum(receipt.counts.values())
            sums["bytes"] += receipt.bytes
        pdf.ln(4)
        pdf.line_of(words.by_category, _TEXT, bold=True)
        categories = [(name, str(count)) for name, count in sorted(protected.items())]
        categories.append((words.total, str(protected.total())))
        pdf.table_of(words.category_columns, categories, (60, 30))
        pdf.ln(4)
        pdf.line_of(words.by_destination, _TEXT, bold=True)
        names = ("requests", "passages", "values", "bytes")
        rows = [
            (*place, *(str(sums[name]) for name in names))
            for place, sums in sorted(destinations.items())
        ]
        pdf.table_of(words.destination_columns, rows, (50, 50, 30, 22, 22, 28, 28))


def _row(seq: int, receipt: Receipt, words: Words) -> tuple[str, ...]:
    where = f"{receipt.destination}, {receipt.site}" if receipt.site else receipt.destination
    return (
        str(seq),
        iso(receipt.time).replace("T", " "),
        receipt.user if receipt.user == receipt.client else f"{receipt.user} ({receipt.client})",
        receipt.task or words.chat,
        receipt.model,
        f"{where} ({words.trust[receipt.trust]})",
        words.action[receipt.action],
        receipt.policy,
        receipt.data_class,
        counted(receipt.counts),
        counted(receipt.passages),
        f"{receipt.bytes} B {receipt.body_sha256[:_HASH_CHARS]}",
    )


def _height(lines: Sequence[Sequence[str]]) -> float:
    return max(len(cell) for cell in lines) * _LINE + 2 * _PADDING


class _Pages(FPDF):
    """Landscape pages of A4 that can show any text."""

    def __init__(self, words: Words, font: Path | None) -> None:
        super().__init__(orientation="landscape", format="A4")
        self._words = words
        self.set_margins(10, 10)
        self.set_auto_page_break(auto=True, margin=14)
        self.core_fonts_encoding = _CORE_ENCODING
        self._family = _CORE
        self._known: frozenset[int] | None = None
        self._wrapped: dict[tuple[str, int, str], Sequence[str]] = {}
        if font is not None:
            self._take(font)

    def _take(self, font: Path) -> None:
        try:
            # Before fpdf2 does, which leaves a file open that it cannot read.
            with font.open("rb") as file, TTFont(file) as read:
                self._known = frozenset(read.getBestCmap())
            for style in ("", "B"):
                self.add_font(_OWN, style, font)
        except OSError:
            raise
        except Exception as error:
            # The reader of fonts raises whatever a broken table leads it to.
            raise ValueError(f"it is no TrueType font ({error})") from error
        self._family = _OWN

    def footer(self) -> None:
        """The number of the page."""
        self.set_y(-10)
        self.set_font(self._family, size=_SMALL)
        self.cell(0, 5, f"{self._words.page} {self.page_no()}/{{nb}}", align=Align.R)

    def line_of(self, text: str, size: float, *, bold: bool = False) -> None:
        """A paragraph over the whole width."""
        self.set_font(self._family, "B" if bold else "", size)
        self.multi_cell(0, size / 2, self.shown(text, 2 * _CELL_CHARS), align=Align.L)
        self.ln(1)

    def table_of(
        self, headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]
    ) -> None:
        """A table with its headings on every page.

        fpdf2's own tables lay every cell out several times, which takes minutes for thousands of rows.
        """
        self._headings(headings, widths)
        for cells in rows:
            lines = [self._lines(text, width) for text, width in zip(cells, widths, strict=True)]
            if not self._fits(lines):
                self.add_page()
                self._headings(headings, widths)
            self._row(lines, widths)

    def _headings(self, headings: Sequence[str], widths: Sequence[int]) -> None:
        self.set_font(self._family, "B", _SMALL)
        lines = [self._lines(text, width) for text, width in zip(headings, widths, strict=True)]
        if not self._fits([*lines, lines[0]]):
            self.add_page()
            self.set_font(self._family, "B", _SMALL)
        self.set_fill_color(_GREY)
        self.rect(self.l_margin, self.y, sum(widths), _height(lines), style="F")
        self._row(lines, widths)
        self.set_font(self._family, size=_SMALL)

    def _row(self, lines: Sequence[Sequence[str]], widths: Sequence[int]) -> None:
        x = self.l_margin
        for cell, width in zip(lines, widths, strict=True):
            for number, line in enumerate(cell):
                self.text(x + _PADDING, self.y + _PADDING + _LINE * (number + 0.75), line)
            x += width
        self.y += _height(lines)
        self.line(self.l_margin, self.y, x, self.y)

    def _fits(self, lines: Sequence[Sequence[str]]) -> bool:
        return self.y + _height(lines) <= self.page_break_trigger

    def _lines(self, text: str, width: int) -> Sequence[str]:
        """`text` in lines that `width` has room for."""
        key = (text, width, self.font_style)
        if key not in self._wrapped:
            if len(self._wrapped) >= _MOST_WRAPPED:
                self._wrapped.clear()
            shown = self.shown(text, _CELL_CHARS)
            self._wrapped[key] = self._wrap(shown, width - 2 * _PADDING)
        return self._wrapped[key]

    def _wrap(self, text: str, room: float) -> list[str]:
        lines: list[str] = []
        line = ""
        for word in text.split():
            joined = f"{line} {word}" if line else word
            if self.get_string_width(joined) <= room:
                line = joined
                continue
            if line:
                lines.append(line)
            line = ""
            for char in word:
                if line and self.get_string_width(line + char) > room:
                    lines.append(line)
                    line = ""
                line += char
        return [*lines, line] if line or not lines else lines

    def shown(self, text: str, max_chars: int) -> str:
        """`text` with U+0141 in place of what the font lacks or what is no visible character."""
        text = unicodedata.normalize("NFC", text)
        text = "".join(char if self._has(char) else f"[U+{ord(char):04X}]" for char in text)
        return text if len(text) <= max_chars else text[: max_chars - 1] + "…"

    def _has(self, char: str) -> bool:
        # Characters that are not shown, or that turn the writing round, would hide what stands there.
        if unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"):
            return False
        if self._known is not None:
            return ord(char) in self._known
        try:
            char.encode(_CORE_ENCODING)
        except UnicodeEncodeError:
            return False
        return True

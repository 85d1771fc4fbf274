"""Writes PDF with real pages, the same bytes on every run."""

from html import escape
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak as Break
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import SimpleDocTemplate, Spacer
from reportlab.platypus import Table as Grid
from reportlab.platypus.flowables import Flowable

from source.markup import Block, Document, Heading, Items, PageBreak, Paragraph, Table
from source.plain import german_or_english_date

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=10.5, leading=15, spaceAfter=6)
HEAD = ParagraphStyle(
    "head", fontName="Helvetica-Bold", fontSize=12.5, leading=16, spaceBefore=8, spaceAfter=4
)
TITLE = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=17, leading=22, spaceAfter=10)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=9.5, leading=12, spaceAfter=0)
LINE = colors.HexColor("#b8c0cc")
TINT = colors.HexColor("#e9eef5")


def write_pdf(document: Document, target: Path) -> None:
    flow: list[Flowable] = [Text(escape(document.title), TITLE)]
    for block in document.blocks:
        flow += _flow(block)
    template = SimpleDocTemplate(
        str(target),
        pagesize=A4,
        leftMargin=24 * mm,
        rightMargin=24 * mm,
        topMargin=28 * mm,
        bottomMargin=24 * mm,
        title=document.title,
        author="Stadt Lindenau an der Wette",
        lang=document.language,
        # A fixed date and id, and streams that do not depend on the machine's zlib.
        invariant=1,
        pageCompression=0,
    )

    def frame(canvas: Canvas, layout: SimpleDocTemplate) -> None:
        _frame(canvas, layout, document)

    template.build(flow, onFirstPage=frame, onLaterPages=frame)


def _flow(block: Block) -> list[Flowable]:
    match block:
        case Heading(text):
            return [Text(escape(text), HEAD)]
        case Paragraph(text):
            return [Text(escape(text), BODY)]
        case Items(texts, _):
            return [Text(f"• {escape(text)}", BODY) for text in texts]
        case Table(head, rows):
            cells = [[Text(escape(cell), CELL) for cell in row] for row in (head, *rows)]
            style = [
                ("GRID", (0, 0), (-1, -1), 0.5, LINE),
                ("BACKGROUND", (0, 0), (-1, 0), TINT),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
            return [Grid(cells, style=style, hAlign="LEFT"), Spacer(1, 8)]
        case PageBreak():
            return [Break()]


def _frame(canvas: Canvas, layout: SimpleDocTemplate, document: Document) -> None:
    german = document.language == "de"
    width, height = A4
    canvas.saveState()
    canvas.setFont("Helvetica", 8.5)
    canvas.drawString(24 * mm, height - 16 * mm, f"Stadt Lindenau an der Wette, {document.office}")
    canvas.drawRightString(width - 24 * mm, height - 16 * mm, german_or_english_date(document))
    page, of = ("Seite", "von") if german else ("Page", "of")
    canvas.drawRightString(width - 24 * mm, 14 * mm, f"{page} {layout.page} {of} {document.pages}")
    canvas.restoreState()

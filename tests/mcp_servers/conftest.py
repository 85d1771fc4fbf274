"""Fixtures of the site's servers: documents of every format, and servers on free ports."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import docx
import openpyxl
import pytest
import uvicorn
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from starlette.types import ASGIApp

Serve = Callable[[ASGIApp], AbstractAsyncContextManager[str]]

HUNDESTEUER = """# Hundesteuersatzung

Satzung der Stadt Musterau, gültig ab 1. Januar.

## Steuersatz

Die Steuer beträgt jährlich für den ersten Hund 96 Euro,
für jeden weiteren Hund 144 Euro.

## Befreiung

Blindenführhunde sind von der Steuer befreit.

### Nachweis

Der Nachweis ist jährlich vorzulegen.

## Steuersatz

Für gefährliche Hunde gelten 600 Euro.
"""

OPENING_HOURS = """<html><head><title>Town library</title><style>p {color: red}</style></head>
<body><nav>Home Contact</nav><h1>Opening hours</h1><p>The library opens at <b>10 am</b>.</p>
<script>alert("never shown")</script><h2>Fees</h2><table><tr><th>Item</th><th>Fee</th></tr>
<tr><td>Library card</td><td>12 Euro</td></tr></table></body></html>"""


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with two classes of documents, in every format that is read."""
    base = tmp_path / "documents"
    public, internal = base / "offen", base / "intern"
    (public / "satzungen").mkdir(parents=True)
    internal.mkdir()
    (public / "satzungen" / "hundesteuer.md").write_text(HUNDESTEUER, encoding="utf-8")
    (public / "library.html").write_text(OPENING_HOURS, encoding="utf-8")
    (public / "notiz.txt").write_bytes("Die Straße am Fluß\nist gesperrt.\n".encode("cp1252"))
    (public / "baeume.csv").write_text(
        "Baum;Ort\nLinde;Marktplatz\nEiche;Wette\n", encoding="utf-8"
    )
    write_pdf(
        public / "haushalt.pdf", ["Haushaltsplan Seite eins", "Die Rücklage beträgt 4711 Euro"]
    )
    write_docx(internal / "dienst.docx")
    write_xlsx(internal / "geraete.xlsx")
    return base


def write_pdf(path: Path, pages: list[str]) -> None:
    """A PDF with one line of text on each page."""
    canvas = Canvas(str(path), pagesize=A4)
    for text in pages:
        canvas.drawString(72, 720, text)
        canvas.showPage()
    canvas.save()


def write_docx(path: Path) -> None:
    """A Word file with two headings and a table."""
    word = docx.Document()
    word.add_heading("Dienstanweisung", 1)
    word.add_paragraph("Gilt für alle Beschäftigten.")
    word.add_heading("Telearbeit", 2)
    word.add_paragraph("Telearbeit ist an zwei Tagen je Woche möglich.")
    cells = word.add_table(rows=2, cols=2)
    for row, values in enumerate((("Tag", "Ort"), ("Freitag", "zu Hause"))):
        for column, value in enumerate(values):
            cells.cell(row, column).text = value
    word.save(str(path))


def write_xlsx(path: Path) -> None:
    """An Excel file with two sheets."""
    book = openpyxl.Workbook()
    first = book.active
    first.title = "Geräte"
    first.append(["Gerät", "Raum", "Preis"])
    first.append(["Plotter", "R 204", 1999.5])
    second = book.create_sheet("Wartung")
    second.append(["Gerät", "Termin"])
    second.append(["Plotter", "März"])
    book.save(path)


@pytest.fixture
def serve() -> Serve:
    """Serves an ASGI app on a free port; gives the address without a path."""

    @asynccontextmanager
    async def running(app: ASGIApp) -> AsyncIterator[str]:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_config=None, lifespan="on", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            async with asyncio.timeout(10):
                while not server.started:
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
            listener.close()

    return running

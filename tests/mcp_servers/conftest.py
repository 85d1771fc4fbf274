"""Fixtures of the site's servers: documents of every format, and servers on free ports."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
import uvicorn
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from tests.databases import postgres_server

Serve = Callable[[ASGIApp], AbstractAsyncContextManager[str]]

CITIZENS = """
CREATE TABLE citizens (id INTEGER PRIMARY KEY, last_name TEXT, born_on TEXT, iban TEXT, city TEXT);
INSERT INTO citizens VALUES
    (1, 'Lang', '1980-03-05', 'DE54999904174172785347', 'Lindenau'),
    (2, 'von  der | Aue', '1991-12-24', NULL, 'Lindenau');
"""

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
    return write_documents(tmp_path / "documents")


def write_documents(base: Path) -> Path:
    """Makes that folder."""
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


LABELS_KEY = "key-of-the-labels"


@dataclass
class Adapter:
    """What stands for the adapter at the contract: it records what is registered, or answers as told."""

    url: str = ""
    registered: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[dict[str, Any]], Response] | None = None
    delay_s: float = 0.0

    async def register(self, request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {LABELS_KEY}"
        body = json.loads(await request.body())
        await asyncio.sleep(self.delay_s)
        if self.answer is not None:
            return self.answer(body)
        self.registered.append(body)
        return JSONResponse({"registered": len(body["values"])}, 201)

    @property
    def settings(self) -> dict[str, str]:
        """What a server is told to register here."""
        return {"labels_url": self.url, "labels_key": LABELS_KEY}

    def values(self) -> set[tuple[str, str]]:
        """Kind and text of everything that was registered."""
        return {(each["kind"], each["text"]) for body in self.registered for each in body["values"]}


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A database in a file, of which `labelled_site` labels columns."""
    path = tmp_path / "town.db"
    with sqlite3.connect(path) as db:
        db.executescript(CITIZENS)
    db.close()
    return path


@pytest.fixture
async def adapter(serve: Serve) -> AsyncIterator[Adapter]:
    """A registry of labels that listens."""
    adapter = Adapter()
    app = Starlette(routes=[Route("/v1/site/labels", adapter.register, methods=["POST"])])
    async with serve(app) as adapter.url:
        yield adapter


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL of the module's own."""
    with postgres_server() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")

"""Writes Markdown, plain text and HTML."""

from html import escape

from source.markup import Block, Document, Heading, Items, PageBreak, Paragraph, Table

STAMP = {"de": "Stand", "en": "Last updated"}


def german_or_english_date(document: Document) -> str:
    if document.language == "de":
        return f"{document.date:%d.%m.%Y}"
    return f"{document.date.day} {document.date:%B %Y}"


def write_markdown(document: Document) -> str:
    lines = [f"# {document.title}", "", _stamp(document), ""]
    for block in document.blocks:
        lines += [*_markdown(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _markdown(block: Block) -> list[str]:
    match block:
        case Heading(text):
            return [f"## {text}"]
        case Items(texts, numbered):
            return [
                f"{f'{n}.' if numbered else '-'} {text}" for n, text in enumerate(texts, start=1)
            ]
        case Table(head, rows):
            rule = tuple("---" for _ in head)
            return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]
        case Paragraph(text):
            return [text]
        case PageBreak():
            return []


def write_text(document: Document) -> str:
    lines = [document.title, "=" * len(document.title), _stamp(document), ""]
    for block in document.blocks:
        match block:
            case Heading(text):
                lines += [text, "-" * len(text)]
            case Table(head, rows):
                widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
                for row in (head, *rows):
                    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                    lines.append("  ".join(cells).rstrip())
                lines.append("")
            case _:
                lines += [*_markdown(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _stamp(document: Document) -> str:
    return f"{document.office}, {STAMP[document.language]}: {german_or_english_date(document)}"


NAVIGATION = {
    "de": ("Startseite", "Rathaus und Politik", "Bürgerservice", "Leben in Lindenau", "Kontakt"),
    "en": ("Home", "Town hall", "Services", "Living in Lindenau", "Contact"),
}
COOKIES = {
    "de": "Diese Seite verwendet nur technisch notwendige Cookies. Einverstanden",
    "en": "This site uses only strictly necessary cookies. Accept",
}
FOOTER = {
    "de": "Impressum | Datenschutz | Barrierefreiheit | Leichte Sprache",
    "en": "Imprint | Privacy | Accessibility | Easy language",
}


def write_html(document: Document) -> str:
    """A page as a content management system makes it: the text between navigation and footers."""
    language = document.language
    links = "\n".join(f'<li><a href="#">{escape(name)}</a></li>' for name in NAVIGATION[language])
    body = "\n".join(_html(block) for block in document.blocks)
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>{escape(document.title)} - Stadt Lindenau an der Wette</title>
<meta name="date" content="{document.date.isoformat()}">
<style>nav li {{ display: inline; }} .cookie {{ position: fixed; bottom: 0; }}</style>
<script>document.documentElement.className = "js";</script>
</head>
<body>
<div class="cookie">{COOKIES[language]}</div>
<header>
<a href="#main">Stadt Lindenau an der Wette</a>
<nav><ul>
{links}
</ul></nav>
</header>
<main id="main">
<h1>{escape(document.title)}</h1>
{body}
<p class="stamp">{escape(_stamp(document))}</p>
</main>
<aside><h2>{"Das könnte Sie interessieren" if language == "de" else "Related pages"}</h2>
<ul><li><a href="#">Newsletter</a></li><li><a href="#">RSS</a></li></ul></aside>
<footer>{FOOTER[language]}</footer>
</body>
</html>
"""


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Items(texts, numbered):
            tag = "ol" if numbered else "ul"
            items = "".join(f"<li>{escape(text)}</li>\n" for text in texts)
            return f"<{tag}>\n{items}</{tag}>"
        case Table(head, rows):
            top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
            rest = "".join(
                "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n"
                for row in rows
            )
            return f"<table>\n<tr>{top}</tr>\n{rest}</table>"
        case PageBreak():
            return ""

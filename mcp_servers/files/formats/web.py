"""HTML: turned into Markdown, then split at its headings."""

import re
from typing import BinaryIO

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter

from mcp_servers.files.documents import Document, clean
from mcp_servers.files.formats.text import plain, sections

# What a reader of the page does not see, or sees on every page.
_UNSEEN = ["script", "style", "noscript", "template", "svg", "iframe", "object", "head", "nav"]


def read_html(file: BinaryIO, name: str) -> Document:
    """HTML: one part per heading; scripts, styles, navigation and hidden elements are left out."""
    soup = BeautifulSoup(file.read(), "html.parser")
    title = plain(soup.title.get_text()) if soup.title else ""
    for element in soup(_UNSEEN):
        element.decompose()
    for element in soup.select("[hidden]"):
        element.decompose()
    converter = MarkdownConverter(heading_style="ATX", bullets="-", strip=["a", "img"])
    markdown = re.sub(r"\n{3,}", "\n\n", clean(str(converter.convert_soup(soup))))
    document = sections(markdown, title or name, lines=False)
    return Document(title or document.title, document.parts, document.truncated)

"""Judges what a page would do with an answer, by a renderer of its own.

It is markdown-it with GFM and HTML, and BeautifulSoup over what it makes: in what it shows, nothing may load
or link a host that is not on the list.
"""

import re

from bs4 import BeautifulSoup, NavigableString, Tag
from markdown_it import MarkdownIt
from markdown_it.token import Token

_ALLOWED = re.compile(
    r"https?://(?:ok|[a-z0-9.]+\.good)\.example\.?(?::80|:443)?(?:[/?#]|\Z)", re.IGNORECASE
)

_LOADING_NAMES = (
    "href src srcset action formaction data poster background ping cite style xlink:href"
)

_LOADING = frozenset(_LOADING_NAMES.split())

_ACTING_NAMES = """script style iframe frame object embed video audio source track svg math form input button meta
    base link applet details area textarea template portal"""

_ACTING = frozenset(_ACTING_NAMES.split())

_RENDERED_NAMES = "mermaid vega vega-lite html svg xml css js javascript"

_RENDERED = frozenset(_RENDERED_NAMES.split())

# What GFM and marked link in running text (GFM 0.29, section 6.9), wherever it stands.
_BARE = re.compile(r"(?:https?|ftp)://[^\s<]*|www\.[a-z0-9][^\s<]*", re.IGNORECASE)


def renderers() -> list[MarkdownIt]:
    """CommonMark, and GFM's tables; neither refuses an address by its scheme."""
    made = [MarkdownIt("commonmark"), MarkdownIt("js-default", {"html": True, "breaks": True})]
    for each in made:
        each.validateLink = lambda url: True  # type: ignore[method-assign]
    return made


RENDERERS = renderers()


def dangers(text: str) -> list[str]:
    """What a page would load or link, or draw by itself."""
    found = []
    for renderer in RENDERERS:
        found += bare_links(renderer.parse(text))
        page = BeautifulSoup(renderer.render(text), "html.parser")
        for tag in page.find_all(True):
            found += dangers_of(tag)
        for each in page.find_all(string=lambda string: type(string) is not NavigableString):
            found.append(f"{type(each).__name__}: {each}")
    return found


def bare_links(tokens: list[Token]) -> list[str]:
    """Addresses in text, which GFM makes links of; what was escaped is text of its own."""
    found = []
    for token in tokens:
        text = ""
        for part in token.children or []:
            if part.type == "text":
                text += part.content
                continue
            found += _BARE.findall(text)
            text = ""
        found += _BARE.findall(text)
    return [each for each in found if not _ALLOWED.match(each)]


def dangers_of(tag: Tag) -> list[str]:
    found = [tag.name] if tag.name in _ACTING else []
    for name, value in tag.attrs.items():
        if name == "style" and re.fullmatch("text-align:(?:left|center|right)", str(value)):
            continue
        if name == "class":
            language = " ".join(value).removeprefix("language-").lower()
            found += [language] if language in _RENDERED else []
        elif (name in _LOADING or name.startswith("on")) and not _ALLOWED.match(str(value)):
            found += [] if str(value).startswith("mailto:") else [f"{tag.name} {name}={value}"]
    return found

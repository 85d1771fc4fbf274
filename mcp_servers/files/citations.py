"""Citations: `root/path/inside#page=N`, `#sheet=Name`, `#section=Heading` or `#line=N`."""

import re

from mcp_servers.settings import DataClass

_ANCHOR = re.compile(r"^(.*?)#((?:page|sheet|section|line)=.*)$", re.DOTALL)
_BRACKET = re.compile(r"^\[\d*\]\s*")
_CLASS = re.compile(r"\s+\((?:public|internal|confidential|secret)\)$")


def cite(path: str, anchor: str) -> str:
    """The citation of a place in a document."""
    return f"{path}#{anchor}" if anchor else path


def labelled(citation: str, data_class: DataClass) -> str:
    """A citation with the confidentiality of what it names."""
    return f"{citation} ({data_class})"


def take_apart(citation: str) -> tuple[str, str]:
    """Path and anchor of a citation; the anchor is empty if it names a whole document.

    Models hand back what they read, so a leading `[1]` and a trailing ` (internal)` are allowed.
    """
    text = _CLASS.sub("", _BRACKET.sub("", citation.strip()))
    match = _ANCHOR.match(text)
    return (match[1], match[2]) if match else (text, "")

"""Links, images, definitions and bare addresses: those on the list stay, others are shown as code."""

import re

from backend_adapter.egress.defuse.bounds import ADDRESS
from backend_adapter.egress.defuse.hosts import URL
from backend_adapter.egress.defuse.spans import apart
from backend_adapter.egress.defuse.state import State

_LINK = re.compile(
    rf"""\]\([ \t]*(?:({URL})|<({URL})>)(?:[ \t]+"[^"\\\n<>&`\[\]()$|]*")?[ \t]*\)""",
    re.IGNORECASE | re.ASCII,
)
# After `]:` two words are no definition: only one address and a title may follow.
_WORDS = re.compile(r"[ \t]+[^\s<]+[ \t]+\w")
_MAY_BE_WORDS = re.compile(r"[ \t]+(?:[^\s<]+[ \t]*)?")
_ADDRESS_END = re.compile(r"[\s<]")
_TRAILING = re.compile(r"""[)\]}.,;:!?"'*_~]+\Z""")
# What of an address is shown as code: nothing that could end code, a cell or a formula.
_SHOWN = re.compile(r"""[^\s<>"'`|\[\](){}*~\\$^]+""")
_SCHEMELESS = re.compile(r"//[\w\-]{0,64}")
_SCHEMELESS_HOST = re.compile(r"//[\w\-]+\.\w")


def bracket(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads what follows the text of a link or an image, or the name of a definition."""
    if at + 1 == len(text) and not over:
        return None
    after = text[at + 1 : at + 2]
    if after == "(":
        window = text[at : at + ADDRESS]
        link = _LINK.match(window)
        if link and state.hosts.allow(link[1] or link[2]):
            state.say(link[0])
            return at + link.end()
        if (
            link is None
            and ")" not in window
            and "\n" not in window
            and len(window) < ADDRESS
            and not over
        ):
            return None
        state.say("\\](")
        return at + 2
    if after == ":":
        window = text[at + 2 : at + 130]
        if not over and len(window) < 128 and (not window or _MAY_BE_WORDS.fullmatch(window)):
            return None
        state.say("]:" if _WORDS.match(window) else "\\]:")
        return at + 2
    state.say("]")
    return at + 1


def address(state: State, text: str, at: int, over: bool, sign: str) -> int | None:
    """Reads an address in running text, which begins with `sign`."""
    window = text[at : at + ADDRESS]
    if sign == "//":
        host = _SCHEMELESS.match(window)
        assert host is not None  # noqa: S101 - it begins so
        if host.end() + 1 >= len(window) and not over:
            return None
        if not _SCHEMELESS_HOST.match(window):
            state.say("//")
            return at + 2
    stop = _ADDRESS_END.search(window)
    if stop is None and len(window) < ADDRESS and not over:
        return None
    url = _TRAILING.sub("", window[: stop.start()] if stop else window)
    if state.hosts.allow(url):
        state.say(url)
        return at + len(url)
    shown = _SHOWN.match(window, len(sign))
    end = shown.end() if shown else len(sign)
    if "_" in state.closers:
        end = len(window[:end].partition("_")[0])
    end = max(len(window[:end].rstrip(".,;:!?_~")), len(sign) if sign != "www." else 3)
    apart(state)
    state.say("`" + window[:end] + "`")
    return at + end

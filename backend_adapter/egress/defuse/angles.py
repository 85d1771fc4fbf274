"""HTML: a tag stays without its attributes or is dropped, and what may be none is shown as text."""

import re

from backend_adapter.egress.defuse import code, tags
from backend_adapter.egress.defuse.bounds import LONGEST_HELD, TAG
from backend_adapter.egress.defuse.code import ZERO_WIDTH
from backend_adapter.egress.defuse.state import State


def angle(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads what begins with `<`."""
    after = text[at + 1 : at + 12]
    if len(after) < 11 and not over and not _settled(after):
        return None
    if after.startswith("!--"):
        window = text[at : at + LONGEST_HELD]
        end = window.find("-->", 2)
        if end < 0 and len(window) < LONGEST_HELD and not over:
            return None
        state.say("\\<" if end < 0 else ZERO_WIDTH)
        return at + 1 if end < 0 else at + end + 3
    if after[:1] in ("!", "?", "@", "#", "$", "/", "|") and not after[1:2].isalpha():
        state.say("\\<")
        return at + 1
    if after[:1] in ("!", "?", "@", "#", "$", "|"):
        state.say("\\<" + ZERO_WIDTH)
        return at + 1
    opening = tags.OPENING.match(text, at, at + 64)
    if opening is None:
        state.say("<")
        return at + 1
    if opening.end() == len(text) and not over:
        return None
    return _tag(state, text, at, over, opening)


def _tag(state: State, text: str, at: int, over: bool, opening: re.Match[str]) -> int | None:
    name, after = opening[1].lower(), text[opening.end() : opening.end() + 1]
    if code.FORBIDDEN.match(text, at) and name not in tags.CONTENT_DROPPED and name != "html":
        state.say("\\<" + ZERO_WIDTH)
        return at + 1
    if after and after not in " \t\n/>":
        state.say("\\<" if after in ":@.+" or (name in tags.DROPPED and name != "a") else "<")
        return at + 1
    # `List<A>` is a type: no tag follows a name, and none is written in capitals there.
    is_type = state.last.isalnum() and opening[1][0].isupper()
    if is_type or (name not in tags.KEPT and name not in tags.DROPPED):
        state.say("\\<")
        return at + 1
    window = text[at : at + TAG]
    if (blank := window.find("\n\n")) >= 0:
        window = window[:blank]
    end = tags.END.match(window, opening.end() - at)
    if end is None and blank < 0 and len(window) < TAG and not over:
        return None
    if end is None or not tags.TAG.fullmatch(window, 0, end.end()):
        state.say("\\<" + ZERO_WIDTH)
        return at + 1
    then = at + end.end()
    closes = text[at + 1] == "/"
    if name in tags.KEPT:
        # At the beginning of a line it could begin a block of HTML, in which nothing is code.
        if not state.line.strip("> \t-*+.)0123456789"):
            state.say(ZERO_WIDTH)
        state.say(f"</{name}>" if closes else f"<{name}>")
        return then
    if name in tags.CONTENT_DROPPED and not closes:
        inside = text[then : then + LONGEST_HELD - TAG]
        closing = re.compile(f"</{name}[^>]*>", re.IGNORECASE).search(inside)
        if closing is None and len(inside) < LONGEST_HELD - TAG and not over:
            return None
        then += closing.end() if closing else 0
    # In its place, for what stands beside it must not become one.
    state.say(ZERO_WIDTH)
    return then


def _settled(after: str) -> bool:
    """Whether what follows a `<` can already be told apart."""
    return bool(after) and (
        (after[0] not in "!?@#$/|" and not after[0].isalpha()) or len(after) > 3
    )

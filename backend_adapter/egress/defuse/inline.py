"""The text of a line: finds the next sign that may begin something, and hands it to the rule for it."""

import re
from collections.abc import Callable

from backend_adapter.egress.defuse import angles, blocks, escapes, links, spans
from backend_adapter.egress.defuse.code import ZERO_WIDTH
from backend_adapter.egress.defuse.state import State

_SPECIAL = re.compile(
    "[\n`\\\\<\\]$&\u25c1]|~~~|:::|\\{\\{|(?:https?|ftp)://|www\\.|//", re.IGNORECASE
)
_MAY_BE_SPECIAL = re.compile(
    r"(?:https?:?/?|htt?|h|ftp?:?/?|f|w{1,3}|/|\{|~~?|::?)\Z", re.IGNORECASE
)
_FILE = re.compile(r"\{\{(?:HTML|VIDEO)_", re.IGNORECASE)

# Each is told where its sign stands, and returns where to go on, or None where more must be known.
_RULES: dict[str, Callable[[State, str, int, bool], int | None]] = {
    "`": lambda state, text, at, over: spans.backticks(state, text, at, over, whole),
    "\\": escapes.backslash,
    "<": angles.angle,
    "]": links.bracket,
    "$": escapes.dollar,
    "&": escapes.entity,
}
_INSTEAD = {
    # An escape does not do: Open WebUI looks for such a block from a second character on.
    ":::": ":" + ZERO_WIDTH + "::",
    "~~~": "\\~\\~\\~",
    "\u25c1": "\u25c1" + ZERO_WIDTH,
}


def inline(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads on in a line; returns where to go on, or None where more must be known."""
    special = _SPECIAL.search(text, at)
    if special is None:
        stop = len(text)
        if not over and (open_end := _MAY_BE_SPECIAL.search(text, max(at, stop - 8))):
            stop = open_end.start()
        state.say(text[at:stop])
        return stop if stop > at else None
    if special.start() > at:
        state.say(text[at : special.start()])
        return special.start()
    sign = special[0]
    if sign == "\n":
        blocks.line_end(state)
        return at + 1
    if rule := _RULES.get(sign):
        return rule(state, text, at, over)
    if instead := _INSTEAD.get(sign):
        state.say(instead)
        return at + len(sign)
    if sign == "{{":
        if len(text) - at < 8 and not over:
            return None
        state.say("{" + ZERO_WIDTH if _FILE.match(text, at) else "{")
        return at + 1
    return links.address(state, text, at, over, sign)


def whole(state: State, text: str) -> str:
    """What may be shown of `text`, which is a part of a line."""
    at: int | None = 0
    while at is not None and at < len(text):
        at = inline(state, text, at, True)
    return "".join(state.said)

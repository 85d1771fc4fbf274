"""Backslashes, entities and dollars: what they escape, and the formulas that they may begin."""

import html
import re

from backend_adapter.egress.defuse.code import GRAVE, ZERO_WIDTH
from backend_adapter.egress.defuse.state import State

_COMMAND = re.compile(r"\\([A-Za-z]+)")
_LINKING_COMMANDS = frozenset(
    ["href", "url", "includegraphics", "htmlData", "htmlClass", "htmlId", "htmlStyle"]
)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_MAY_BE_ENTITY = re.compile(r"&(?:#[0-9]{0,7}|#[xX][0-9a-fA-F]{0,6}|[A-Za-z][A-Za-z0-9]{0,30})?")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_OPENS_MATH = {"(": "\\)", "[": "\\]"}


def backslash(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads an escape, or a command of TeX."""
    if len(text) - at < 3 and not over:
        return None
    sign = text[at + 1 : at + 2]
    if sign == "`":
        state.say(GRAVE)
        return at + 2
    if sign in _PUNCTUATION and sign:
        state.say(text[at : at + 2])
        # A pair is over: what comes is not escaped by it.
        state.last = ""
        if sign in _OPENS_MATH:
            state.closers.add(_OPENS_MATH[sign])
        if sign == "[" and text[at + 2 : at + 3] == "\n":
            state.display_open = True
        elif sign == "]":
            state.display_open = False
        elif sign == "$":
            state.closers.add("$")
        elif sign in "<:/" or (sign == "." and state.line[-5:-2].lower() == "www"):
            # The server that looks for tags, and renderers that look for addresses, see no escapes.
            state.say(ZERO_WIDTH)
        return at + 2
    command = _COMMAND.match(text, at, at + 24)
    if command and command.end() == len(text) and not over:
        return None
    state.say("\\")
    if command and command[1] in _LINKING_COMMANDS:
        state.say(ZERO_WIDTH)
    elif command and command[1] in ("ce", "pu"):
        state.closers.add("}")
    elif command and command[1] == "begin":
        state.closers.add("\\end{equation}")
        state.display_open = True
    elif command and command[1] == "end":
        state.display_open = False
    return at + 1


def entity(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads a letter or a sign that is written as an entity: some look for addresses afterwards."""
    found = _ENTITY.match(text, at)
    if found is None and not over and _MAY_BE_ENTITY.fullmatch(text, at):
        return None
    if found is None:
        state.say("&")
        return at + 1
    meant = html.unescape(found[0])
    state.say("\\" * (meant.isalnum() or meant in "/:.\\@") + found[0])
    return found.end()


def dollar(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads what may begin or end a formula."""
    if at + 1 == len(text) and not over:
        return None
    state.closers.add("$")
    if text[at + 1 : at + 2] == "$":
        state.display = True
        state.say("$$")
        return at + 2
    state.say("$")
    return at + 1

"""Follows an answer line by line: what stands before the text of a line, and what a line was when it ends."""

import re

from backend_adapter.egress.defuse import fences
from backend_adapter.egress.defuse.bounds import FENCE_LINE
from backend_adapter.egress.defuse.state import State

_PREFIX = re.compile(r"(?:[ \t]|>|(?:[-*+]|[0-9]{1,9}[.)])(?=[ \t]))*")
_MAY_BE_PREFIX = re.compile(r"[-*+]|[0-9]{1,9}[.)]?|`{1,2}|~{1,2}|:{1,3}")
_FENCE = re.compile(r"`{3,}|~{3,}")
_DELIMITERS = re.compile(r"[ \t>]*[-|:][-|: \t]*")


def line_start(state: State, text: str, at: int, over: bool) -> int | None:
    """Reads what a line begins with; returns where to go on, or None where more must be known."""
    if state.piped:
        row = _DELIMITERS.match(text, at)
        if row and row.end() - at < FENCE_LINE:
            if row.end() == len(text) and not over:
                return None
            if row.end() == len(text) or text[row.end()] == "\n":
                # With a row of dashes below it, a pipe in code would divide the line above into cells.
                lead = len(row[0]) - len(row[0].lstrip(" \t>"))
                state.say(row[0][:lead] + "\\" + row[0][lead:])
                state.fresh = False
                return row.end()
    prefix = _PREFIX.match(text, at)
    assert prefix is not None  # noqa: S101 - it matches nothing as well
    rest = text[prefix.end() : prefix.end() + 16]
    short = prefix.end() - at < FENCE_LINE
    if short and not over and (not rest or _MAY_BE_PREFIX.fullmatch(rest)):
        return None
    if fence := _FENCE.match(text, prefix.end()):
        line_end = text.find("\n", fence.start())
        far = (len(text) if line_end < 0 else line_end) - fence.start() >= FENCE_LINE
        if line_end < 0 and not over and not far:
            return None
        stop = len(text) if line_end < 0 else line_end
        if short and not far:
            return fences.opening(state, text, prefix[0], fence, stop)
    state.fresh = False
    state.row = rest.startswith("|")
    state.say(prefix[0])
    return prefix.end()


def line_end(state: State) -> None:
    """Ends a line that is no code."""
    state.empty_before = not state.line.strip("> \t")
    if state.empty_before:
        state.end_paragraph()
        state.table = False
    elif "|" in state.line and _DELIMITERS.fullmatch(state.line):
        state.table = True
    state.say("\n")
    state.fresh, state.line, state.row = True, "", False
    state.piped, state.piped_now = state.piped_now, False

"""Code within a line, which stays where every renderer reads it as code."""

import re
from collections.abc import Callable

from backend_adapter.egress.defuse import code
from backend_adapter.egress.defuse.bounds import SPAN
from backend_adapter.egress.defuse.state import State

_CITATION_OPEN = re.compile(r"\[[0-9][^\[\]\n]*#[^\]\s,]*\Z")
_CUTS_CELL = re.compile(r"(?<!\\)\||\\\\\|")
_CLOSES_DOLLAR = re.compile(r"\$(?![A-Za-z0-9])")


def backticks(
    state: State, text: str, at: int, over: bool, whole: Callable[[State, str], str]
) -> int | None:
    """Reads code in backticks; `whole` reads as text what is code for some renderers only."""
    run_end = at
    while run_end < len(text) and text[run_end] == "`":
        run_end += 1
    run = text[at:run_end]
    window = text[at : at + SPAN]
    if run_end == len(text) and not over and len(window) < SPAN:
        return None
    line_end = window.find("\n")
    line = window if line_end < 0 else window[:line_end]
    closing = re.compile(f"(?<!`){run}(?!`)").search(line, len(run))
    if (
        line_end < 0
        and len(line) < SPAN
        and not over
        and (closing is None or closing.end() == len(line))
    ):
        return None
    if closing is None or (closing.end() == SPAN and line_end < 0):
        state.say(code.GRAVE * len(run))
        return run_end
    content = line[len(run) : closing.start()]
    if _is_doubtful(state, content):
        within = state.within()
        state.say(code.GRAVE * len(run))
        state.say(whole(within, content))
        state.say(code.GRAVE * len(run))
    else:
        if "`" in content:
            state.closers |= {"*", "_"}
        state.piped_now = state.piped_now or _CUTS_CELL.search(content) is not None
        apart(state)
        seen = set(state.seen)
        state.say(run + code.broken(content, code.FORBIDDEN) + run)
        state.seen = seen
    return at + closing.end()


def apart(state: State) -> None:
    """Keeps a backtick that comes from what before it would make it none (for marked, a tilde does)."""
    if state.last in ("`", "\\", "~"):
        state.say(code.ZERO_WIDTH)


def _is_doubtful(state: State, content: str) -> bool:
    """Whether some renderer could see the end of a cell, a formula or a citation in what looks like code."""
    if (state.row or state.table) and _CUTS_CELL.search(content):
        return True
    if any(each in content for each in state.closers - {"$"}):
        return True
    # marked ends what is struck out within code, and emphasis where it takes code for something else.
    if "~" in content and "~" in state.seen:
        return True
    masked = ("[" in state.seen and "](" in content) or ("<" in state.seen and ">" in content)
    if (masked or "`" in content) and state.seen & {"*", "_"} & set(content):
        return True
    if "$" in state.closers and _CLOSES_DOLLAR.search(content):
        return True
    return _CITATION_OPEN.search(state.line) is not None

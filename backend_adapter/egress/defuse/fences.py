"""Fenced code: what begins it, its lines, and what ends it for one renderer or another.

Each fence gets one form that all of them read alike.
"""

import re

from backend_adapter.egress.defuse import code
from backend_adapter.egress.defuse.bounds import FENCE_LINE
from backend_adapter.egress.defuse.state import Fence, State

_PREFIX = re.compile(r"((?: {0,3}> ?)*)((?: *(?:[-*+]|[0-9]{1,9}[.)]) +)* *)")
_QUOTE = re.compile(r" {0,3}>[ \t]?")


def opening(state: State, text: str, prefix: str, fence: re.Match[str], stop: int) -> int:
    """Opens a fence, or escapes what is surely none; `stop` is the end of its line."""
    info = text[fence.end() : stop]
    state.fresh = False
    parts = _PREFIX.fullmatch(prefix.expandtabs(4))
    if parts is None or (fence[0][0] == "`" and "`" in info):
        state.say(prefix)
        if parts is None:
            state.say(code.GRAVE * len(fence[0]) if fence[0][0] == "`" else "\\~" * len(fence[0]))
            return fence.end()
        return fence.start()
    opened = Fence(fence[0], parts[1].count(">"), len(parts[2]))
    if not state.empty_before:
        # In a paragraph some fences begin nothing; marked 9 takes all for a heading up to a line of dashes.
        state.say(opened.before.rstrip() + "\n")
    state.say(opened.before + parts[2] + opened.run + code.info(info))
    if stop < len(text):
        state.say("\n")
        stop += 1
    state.fence, state.fresh, state.ticked, state.line = opened, True, False, ""
    state.end_paragraph()
    state.piped = state.piped_now = state.table = False
    state.display = state.display or state.display_open
    return stop


def fenced(state: State, text: str, at: int, over: bool, fence: Fence) -> int | None:
    """Reads on in code; returns where to go on, or None where more must be known."""
    if not state.fresh:
        return _content(state, text, at, over, fence)
    begin = at
    for _ in range(fence.quotes):
        mark = _QUOTE.match(text, begin)
        if mark is None or (mark.end() == len(text) and not over):
            rest = text[begin : begin + 4]
            if mark or (len(rest) < 4 and not rest.strip(" ") and not over):
                return None
            # The quote is over, and the code with it: said for those who would read on.
            state.say(fence.closing + "\n\n")
            state.fence, state.empty_before, state.line = None, True, ""
            return at
        begin = mark.end()
    content = begin
    while content < len(text) and text[content] in " \t" and content - begin < FENCE_LINE:
        content += 1
    if content == len(text) and not over:
        return None
    lead = text[begin:content]
    width = len(lead.expandtabs(4))
    sign = fence.run[0]
    closing = re.compile(rf"{sign}+[`~]*[ \t]*").match(text, content)
    if closing and closing.end() - content < FENCE_LINE:
        if closing.end() == len(text) and not over:
            return None
        run = len(closing[0]) - len(closing[0].lstrip(sign))
        ends = closing.end() == len(text) or text[closing.end()] == "\n"
        if ends and run >= len(fence.run) and width < fence.indent + 4:
            state.say(fence.closing)
            state.fence, state.fresh, state.empty_before = None, False, False
            return closing.end()
    state.fresh = False
    blank = content == len(text) or text[content] == "\n"
    if fence.indent and not blank:
        # Less than this would end a list, and the code with it, for some.
        lead = " " * fence.indent if width < fence.indent else lead.expandtabs(4)
    state.say((fence.before.rstrip() if blank else fence.before) + lead)
    return content


def _content(state: State, text: str, at: int, over: bool, fence: Fence) -> int | None:
    line_end = text.find("\n", at)
    stop = len(text) if line_end < 0 else line_end
    if line_end < 0 and not over:
        begins = code.BEGINS.search(text, max(at, stop - code.LONGEST))
        stop = begins.start() if begins else stop
        if stop == at:
            return None
    forbidden = code.FORBIDDEN_IN_MATH if state.display else code.FORBIDDEN_BESIDE_TICKS
    said = at
    for match in forbidden.finditer(text, at):
        if match.start() >= stop:
            break
        ticks = state.ticked or "`" in text[at : match.start()]
        begins_details = code.DETAILS.match(text, match.start())
        if begins_details and not ticks and not state.display:
            continue
        if code.ELEMENTS.match(text, match.start()) and fence.run[0] == "`":
            continue
        end = min(match.end(), stop)
        state.said.append(text[said:end] + code.ZERO_WIDTH)
        said = end
    state.said.append(text[said:stop])
    state.ticked = state.ticked or "`" in text[at:stop]
    if stop == line_end:
        state.said.append("\n")
        state.fresh, state.ticked, stop = True, False, stop + 1
    return stop

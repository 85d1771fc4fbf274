"""The stage itself: Markdown goes in in pieces, what no renderer loads or links comes out.

Nothing of the text is understood more than it must be. What may load or link has few beginnings, and
each is escaped where it stands unless it is plainly allowed. Renderers differ on what is code, so where
they could, the text is made to mean the same for all of them: what is not surely code is escaped, what
surely is gets one form of its fence.
The rules are those of CommonMark 0.31, GFM, and Open WebUI 0.12.4 (marked with its own extensions). They
stand beside this: `blocks` and `fences` follow the lines, `inline` reads one with `spans`, `links`, `angles`
and `escapes`, and what they know of the text is in `state`.
"""

from collections.abc import Collection

from backend_adapter.egress.defuse.blocks import line_start
from backend_adapter.egress.defuse.fences import fenced
from backend_adapter.egress.defuse.hosts import Hosts
from backend_adapter.egress.defuse.inline import inline
from backend_adapter.egress.defuse.state import State


class Defusing:
    """Takes pieces of a text and gives what may be shown of it; `hosts` are those whose addresses stay.

    See `hosts.Hosts` for how a host is written. The result does not depend on how the text is cut. At most
    `LONGEST_HELD` characters are held back; prose, tables and code come at once.
    """

    def __init__(self, hosts: Collection[str] = ()) -> None:
        self._state = State(Hosts(hosts))
        self._held = ""
        self._return = False

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        if self._return:
            piece = "\r" + piece
        self._return = piece.endswith("\r")
        self._held += _lines(piece[:-1] if self._return else piece)
        return self._run(over=False)

    def interrupted(self) -> str:
        """Something else comes before the text goes on; code that is open ends here.

        Some pages show what comes then by itself (Open WebUI does), where it is no code; others show both as one.
        """
        return "" if self._state.fence is None else self.end() + self.feed("\n")

    def end(self) -> str:
        """What was held back, at the end of the text."""
        if self._return:
            self._held, self._return = self._held + "\n", False
        said, state = self._run(over=True), self._state
        if state.fence is None:
            return said
        # What is appended to a text that was cut off must not be read as the rest of the code.
        closed = state.fence.closing + "\n"
        fresh, state.fence, state.fresh = state.fresh, None, True
        return said + (closed if fresh else "\n" + closed)

    def _run(self, *, over: bool) -> str:
        state, text, at = self._state, self._held, 0
        while at < len(text):
            if state.fence is not None:
                then = fenced(state, text, at, over, state.fence)
            elif state.fresh:
                then = line_start(state, text, at, over)
            else:
                then = inline(state, text, at, over)
            if then is None:
                break
            at = then
        self._held = text[at:]
        said = "".join(state.said)
        state.said.clear()
        return said


def _lines(text: str) -> str:
    """Lines end in one way, and nothing ends a text: what CommonMark makes of it first."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "\ufffd")

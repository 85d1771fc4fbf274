"""What is known of an answer at the place where it is read: of its line, its paragraph and the whole."""

from dataclasses import dataclass, field

from backend_adapter.egress.defuse.hosts import Hosts

_EMPHASIS = frozenset("*_~[<")
# How much of a line is remembered, in characters.
_LINE = 512


@dataclass(frozen=True, slots=True)
class Fence:
    """A fence of code that is open."""

    run: str
    quotes: int
    # What stands before its lines, after the marks of quotes; in columns.
    indent: int

    @property
    def before(self) -> str:
        """What each of its lines begins with, where it stands in quotes."""
        return "> " * self.quotes

    @property
    def closing(self) -> str:
        """The line that ends it for every renderer, without its end."""
        return self.before + " " * self.indent + self.run


@dataclass(slots=True)
class State:
    """Changed by every rule as it goes on; `said` is what can be shown and was not yet handed out."""

    hosts: Hosts
    said: list[str] = field(default_factory=list)
    # Of the line: whether it begins here, what it ends with so far, and what was seen in it.
    fresh: bool = True
    line: str = ""
    last: str = ""
    empty_before: bool = True
    row: bool = False
    piped_now: bool = False
    piped: bool = False
    table: bool = False
    # Of the paragraph: what would close a formula that may be open.
    closers: set[str] = field(default_factory=set)
    # What emphasis, links and tags may have begun with.
    seen: set[str] = field(default_factory=set)
    # Of the whole: whether a formula that began before may end within code.
    display: bool = False
    display_open: bool = False
    fence: Fence | None = None
    # Of the line of code: whether there was a backtick in it.
    ticked: bool = False

    def say(self, text: str) -> None:
        """Shows `text` next."""
        if text:
            self.said.append(text)
            self.line = (self.line + text)[-_LINE:]
            self.last = text[-1]
            self.seen |= _EMPHASIS.intersection(text)

    def end_paragraph(self) -> None:
        """What may have begun in it has no end beyond it."""
        self.closers.clear()
        self.seen.clear()

    def within(self) -> "State":
        """For a part of this line that is read by itself; what would close a formula is shared."""
        return State(
            self.hosts,
            fresh=False,
            line=self.line,
            row=self.row,
            table=self.table,
            closers=self.closers,
            seen=set(self.seen),
        )

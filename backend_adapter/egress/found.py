"""What was found in a text that must not leave as it is, by whoever found it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from backend_adapter.egress.known.forms import Kind

# The categories of what the site itself knows; a detector names its own, such as DE_TAX_ID.
LISTED = "listed"
LABELLED = "labelled"


@dataclass(frozen=True, slots=True)
class Found:
    """A value at [start, end) of a text; an ending of its case is not part of it.

    `value` is what its pseudonym is restored to: as the site has listed it, or as it stands there.
    """

    start: int
    end: int
    kind: Kind
    value: str
    category: str = LISTED

    @property
    def known(self) -> bool:
        """Whether the site knows it, and it was not only recognised."""
        return self.category in (LISTED, LABELLED)


class Finder(Protocol):
    """Finds values in texts."""

    def find(self, text: str) -> list[Found]:
        """All of them from left to right, none reaching into another."""
        ...


class Detector(Protocol):
    """Recognises values that nobody has listed."""

    def find(self, text: str, label: str = "") -> list[Found]:
        """The same; `label` is the key or the column that the text stands under."""
        ...


def apart(found: Iterable[Found]) -> list[Found]:
    """From left to right those that stay where some reach into each other.

    Of two that begin together the longer; something recognised gives way to what the site knows, unless it holds
    all of that and more, as an address of mail holds a name.
    """
    known, recognised = list[Found](), list[Found]()
    for each in found:
        (known if each.known else recognised).append(each)
    chosen = _first_and_longest(known)
    for each in _first_and_longest(recognised):
        within = [other for other in chosen if other.start < each.end and each.start < other.end]
        if all(_holds_more(each, other) for other in within):
            chosen = [other for other in chosen if other not in within] + [each]
    return sorted(chosen, key=lambda one: one.start)


def _holds_more(outer: Found, inner: Found) -> bool:
    longer = outer.end - outer.start > inner.end - inner.start
    return longer and outer.start <= inner.start and inner.end <= outer.end


def _first_and_longest(found: list[Found]) -> list[Found]:
    chosen: list[Found] = []
    for each in sorted(found, key=lambda one: (one.start, -one.end)):
        if not chosen or each.start >= chosen[-1].end:
            chosen.append(each)
    return chosen

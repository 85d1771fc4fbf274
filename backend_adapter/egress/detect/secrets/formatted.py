"""Finds the keys and tokens that have a maker's format."""

from collections.abc import Iterator

from backend_adapter.egress.detect.hits import Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.secrets.formats import FORMATS
from backend_adapter.egress.detect.secrets.placeholders import is_placeholder
from backend_adapter.egress.detect.views import whole


def formatted(scan: Scan) -> Iterator[Hit]:
    """All such in a text."""
    for each in FORMATS:
        # A token is longer than words are: only those few places are searched for one.
        view = whole(scan.text) if each.anywhere else scan.tokens
        if view is None or not any(mark in view.text for mark in each.marks):
            continue
        for match in each.pattern.finditer(view.text):
            if each.category == "CONNECTION_STRING" and is_placeholder(_password_of(match[0])):
                continue
            begin = view.at(match.start())
            yield Hit(begin, begin + len(match[0]), each.category, each.weight)


def _password_of(address: str) -> str:
    return address.split("://", 1)[1].rsplit("@", 1)[0].partition(":")[2]

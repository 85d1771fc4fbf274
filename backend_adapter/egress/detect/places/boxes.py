"""Recognises boxes at a post office."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.places.german.towns import BETWEEN, POSTAL
from backend_adapter.egress.detect.views import View

_BOX = re.compile(
    rf"(?<!\w)(?:Postfach|P\.? ?O\.? ?Box) \d[\d ]{{0,9}}\d?(?:{BETWEEN}(?<=[\s,])(?:{POSTAL}))?"
)


def boxes(view: View) -> Iterator[tuple[int, int]]:
    """Where in a text those are that stand in a view of it, each with its town."""
    for match in _BOX.finditer(view.text):
        yield view.span(*match.span())

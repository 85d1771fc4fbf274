"""Recognises addresses: a street with the number of a house, and its town beside it."""

from collections.abc import Iterator

from backend_adapter.egress.detect.hits import SHAPED, Hit
from backend_adapter.egress.detect.places.boxes import boxes
from backend_adapter.egress.detect.places.english import english
from backend_adapter.egress.detect.places.german import homes
from backend_adapter.egress.detect.places.german.streets import streets
from backend_adapter.egress.detect.scan import Scan

WORDS = homes.WORDS


def addresses(scan: Scan) -> Iterator[Hit]:
    """All in a text."""
    # Each has the number of a house or a box.
    view = scan.digits
    if view is None:
        return
    for found in (streets(view), homes.homes(scan, view), boxes(view), english(view)):
        for start, end in found:
            yield Hit(start, end, "ADDRESS", SHAPED + 5)

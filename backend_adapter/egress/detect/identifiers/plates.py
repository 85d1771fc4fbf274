"""Tells the number plates of German cars from other letters and digits by the district that they begin with.

`plate_districts.txt` has those of Anlage 1 (zu § 8 Abs. 1 Satz 4) of the Fahrzeug-Zulassungsverordnung: the
districts of today and the older ones that are given out again.
"""

import re
from functools import cache

from backend_adapter.egress.detect.word_lists import lines


@cache
def _districts() -> frozenset[str]:
    return frozenset(lines(__package__, "plate_districts.txt"))


def is_plate(value: str) -> bool:
    """Whether its letters begin with a district, and it is no longer than a plate may be."""
    district = re.match("[A-ZÄÖÜ]+", value)
    letters_and_digits = sum(each.isalnum() for each in value.rstrip("EH"))
    return district is not None and district[0] in _districts() and letters_and_digits <= 8

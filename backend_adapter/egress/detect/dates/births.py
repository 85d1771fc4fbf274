"""Recognises dates of birth: dates that the words beside them say to be one, and no other date."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.dates.forms import DATE
from backend_adapter.egress.detect.hits import LABELLED, Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import matches

_WORDS = Words(
    " geb ", "geb.", "geboren", "geburtsdatum", "geburtstag", "geb.-dat", "geb.dat", "gebdat", "geb-dat", "geb_dat",
    " born ", "birth", " dob ", "d.o.b", "birthday", "naissance", "nascita", "*", "geburts",
)  # fmt: skip
WORDS = (_WORDS,)

_DATE = re.compile(rf"(?<![\d.,/-])(?=[\dADFJMNOS]){DATE}", re.IGNORECASE)
_FOLLOWS = re.compile(
    r"[,)]? (?:in [A-ZÄÖÜ][\w-]+(?: [A-ZÄÖÜ][\w-]+)? )?(?:geboren|geborene[nrs]?|geb\.|born)(?!\w)"
)
# How far before a date the word for it may stand, and what between them says that it is another one's.
_REACH = 60
_OTHERS = re.compile(
    r"[\d;|!?]|\n.*\n|[.:]\s+\S+\s+\S+\s|\bdatum\b|gestorben|verstorben|erstellt|datum vom|issued|died|†|urkunde",
    re.IGNORECASE,
)


def birth_dates(scan: Scan) -> Iterator[Hit]:
    """All dates of birth in a text."""
    for match, start in matches(_DATE, scan.near(_WORDS)):
        end = start + len(match[0])
        if _says_birth(scan, start) or _FOLLOWS.match(scan.text, end):
            yield Hit(start, end, "BIRTH_DATE", LABELLED)


def _says_birth(scan: Scan, start: int) -> bool:
    word = scan.occurrences.last_before(_WORDS, start)
    if word is None or word[1] < start - _REACH:
        return False
    between = scan.text[word[1] : start]
    if scan.text[word[1] - 1] == "*":
        # An asterisk is a mark for many things: before a date a birth's, unless it begins a line of a list.
        return not between.strip() and scan.text[max(word[0] - 8, 0) : word[0]].rstrip(" \t")[
            -1:
        ] not in ("", "\n", "*")
    return _OTHERS.search(between) is None

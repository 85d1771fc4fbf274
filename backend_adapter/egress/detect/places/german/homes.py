"""Streets of any name: above the line of a town, or after words that say that somebody lives there."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.places.german.houses import HOUSE, NOT_COUNTED
from backend_adapter.egress.detect.places.german.leading import LEADING
from backend_adapter.egress.detect.places.german.towns import BETWEEN, POSTAL_LINE, TAIL
from backend_adapter.egress.detect.places.letters import CAPITAL
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import View
from backend_adapter.egress.months import GERMAN_NOUNS

# Before a town alone.
_HOMES = Words(
    "wohnhaft", "wohnt in", "wohnort", "anschrift", "adresse", "wohnsitz", "lives at", "lives in",
    "address",
)  # fmt: skip
# Before a street of any name.
_LEADS = Words("wohn", "anschrift", "adresse", "grundstück", "objekt", "gemeldet")
WORDS = (_HOMES, _LEADS)

_LIVES_IN = re.compile(r"(?:wohnhaft|wohnt) (?:in|zu) $")
# A line of any name and number, above or before the line of its town: Am Markt 5, 01067 Dresden.
_LINE_BEFORE = re.compile(
    rf"(?<![\w-])(?:[{CAPITAL}][\w.'’-]*"
    rf"(?: (?:[{CAPITAL}][\w.'’-]*|der|den|dem|des|am|an|im|in|auf|zum|zur|von|vom|den|de|la|du)){{0,4}})"
    rf" {HOUSE}{BETWEEN}(?:(?:D|DE)[- ]?)?$"
)
_LED_BY = (
    r"[Ww]ohn(?:haft|t|te|en|end|e|ung|sitz|ort)|(?:\w{0,12}[Aa])nschrift|Anschrift"
    r"|(?:\w{0,12}a|A)dresse|Grundstück|Objekt|gemeldet|Hausanschrift|Straße"
)
_AND_THEN = (
    "ist", "lautet", "in", "der", "die", "jetzt", "nun", "zuletzt", "derzeit", "unter", "seit",
    r"\d{1,2}\.\d{1,2}\.\d{4}", "neu", "ab", "sofort", "befindet", "sich", "liegt",
)  # fmt: skip
_PREPOSITIONS = (
    "Am", "An", "An der", "An den", "Auf dem", "Auf der", "Im", "In den", "In der", "Zum", "Zur",
    "Zu den", "Unter den", "Unter der", "Hinter dem", "Hinter der", "Vor dem", "Beim", "Bei der",
)  # fmt: skip
# What has a number as well, and is no street.
_NUMBERED = (
    "Jahr", "Nummer", "Nr", *GERMAN_NOUNS, "Montag", "Seite", "Blatt", "Flur", "Wohnung", "Haus",
    "Anlage", "Absatz", "Top", "Kapitel",
)  # fmt: skip
# Where a word says that somebody lives there: wohnt Am Alten Markt 5.
_AT_HOME = re.compile(
    rf"(?<!\w)(?:(?:{_LED_BY})(?:[:,]? (?:{'|'.join(_AND_THEN)})){{0,3}}:?[ \n])"
    rf"(?P<street>(?:(?:{'|'.join(_PREPOSITIONS)}) )?(?!{'|'.join(_NUMBERED)})"
    rf"[{CAPITAL}][\w-]{{2,}}(?: [{CAPITAL}][\w-]{{2,}})? {HOUSE}){NOT_COUNTED}"
)


def homes(scan: Scan, view: View) -> Iterator[tuple[int, int]]:
    """Where in a text those are, each with its town; a view has what is near digits."""
    yield from _above_towns(scan, view)
    near = scan.near(_LEADS)
    if near is None:
        return
    for match in _AT_HOME.finditer(near.text):
        tail = TAIL.match(near.text, match.end())
        yield near.span(match.start("street"), tail.end() if tail else match.end())


def _above_towns(scan: Scan, view: View) -> Iterator[tuple[int, int]]:
    text = view.text
    for match in POSTAL_LINE.finditer(text):
        start = match.start()
        if before := _LINE_BEFORE.search(text[max(start - 80, 0) : start]):
            begin = start - len(before[0])
            leading = LEADING.match(text, begin, start)
            yield view.span(leading.end() if leading else begin, match.end())
        elif scan.occurrences.label(_HOMES, view.at(start)) or _LIVES_IN.search(
            text[max(start - 20, 0) : start]
        ):
            yield view.span(start, match.end())

"""Streets that are recognised by the kind of street within their name, with the number of a house behind it."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.places.german.houses import HOUSE, NOT_COUNTED
from backend_adapter.egress.detect.places.german.leading import LEADING
from backend_adapter.egress.detect.places.german.no_streets import NO_STREET
from backend_adapter.egress.detect.places.german.towns import TAIL
from backend_adapter.egress.detect.places.letters import CAPITAL
from backend_adapter.egress.detect.views import View

_KINDS = (
    "straße", "strasse", "Straße", "Strasse", "STRASSE", "STRAẞE", "STRAßE", r"str\.", r"Str\.",
    "str", "Str", "weg", "Weg", "WEG", "allee", "Allee", "ALLEE", "platz", "Platz", "PLATZ",
    "gasse", "Gasse", "GASSE", "ring", "Ring", "damm", "Damm", "ufer", "Ufer", "chaussee",
    "Chaussee", "steig", "Steig", "stieg", "Stieg", "pfad", "Pfad", "promenade", "Promenade",
    "twiete", "zeile", "Zeile", "gäßchen", "gässchen", "gäßle", "kai", "Kai",
)  # fmt: skip
# Begins where a street's name ends: with a word of this kind, whether part of a longer one or not.
_STREET = re.compile(
    rf"(?:{'|'.join(_KINDS)})(?:[ \t]{{1,2}}|(?<=\.))(?P<house>{HOUSE}){NOT_COUNTED}"
)
# Straße des 17. Juni 135, Platz der Republik 1.
_OF = re.compile(
    r"(?<!\w)(?:Straße|Strasse|Platz|Allee|Weg|Ring|Ufer|Promenade) "
    r"(?:der|des|am|an der|zum|zur|im|von) "
    rf"(?:\d{{1,2}}\. )?[{CAPITAL}][\w-]+(?: [{CAPITAL}][\w-]+)? {HOUSE}{NOT_COUNTED}"
)
_ADJECTIVES = (
    "Alte", "Neue", "Große", "Kleine", "Obere", "Untere", "Hintere", "Vordere", "Lange", "Kurze",
    "Breite", "Hohe", "Äußere", "Innere", "Mittlere", "Grüne", "Schöne",
)  # fmt: skip
# What its name may begin with, where its kind is a part of the last word, and where it is a word of its own.
_ADJECTIVE_BEFORE = re.compile(rf"(?<![\w-])(?:{'|'.join(_ADJECTIVES)})[rn]? $")
_WORDS_BEFORE = re.compile(
    rf"(?<![\w-])(?:(?:[{CAPITAL}][\w'’]*\.?)(?:[ -](?:von|vom|zum|zur|der|den|dem|de|la))?[ -]){{0,3}}"
    rf"[{CAPITAL}][\w'’-]*\.?[ -]$"
)
_OF_A_NAME = frozenset(".'’-")


def streets(view: View) -> Iterator[tuple[int, int]]:
    """Where in a text those are that stand in a view of it, each with its town."""
    yield from _by_kind(view)
    for match in _OF.finditer(view.text):
        tail = TAIL.match(view.text, match.end())
        yield view.span(match.start(), tail.end() if tail else match.end())


def _by_kind(view: View) -> Iterator[tuple[int, int]]:
    text = view.text
    for match in _STREET.finditer(text):
        start = match.start()
        before = text[max(start - 60, 0) : start]
        if before[-1:] in (" ", "-", "\t") and match[0][0].isupper():
            words = _WORDS_BEFORE.search(before)
            begin = start - len(words[0]) if words else start
        else:
            begin = _begin_of_word(text, start)
            if not text[begin].isupper():
                continue
            if adjective := _ADJECTIVE_BEFORE.search(text, max(begin - 10, 0), begin):
                begin = adjective.start()
        if leading := LEADING.match(text, begin, start):
            begin = leading.end()
        street = text[begin : match.start("house")].strip()
        tail = TAIL.match(text, match.end())
        if not tail and (NO_STREET.search(street) or re.fullmatch(r"\d{4}|0+", match["house"])):
            continue
        yield view.span(begin, tail.end() if tail else match.end())


def _begin_of_word(text: str, end: int) -> int:
    begin = end
    while begin > max(end - 48, 0) and (text[begin - 1].isalnum() or text[begin - 1] in _OF_A_NAME):
        begin -= 1
    return begin

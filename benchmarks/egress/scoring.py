"""How what a finder found is held against what is there.

A value counts as found when every character of it that matters, each letter and digit, is covered by what was
found, by one place or by several together; a value of which one letter stays counts as missed. Under which category
it was found does not matter: it would have been replaced.

What was found counts as right when at least half of its own letters and digits belong to values, so that a finder
does not win by finding whole lines, or when it is one word that holds a whole value, such as an address of a
database with its password. What lies in a place that counts for nothing is neither right nor wrong. A peer
that also looks for things which are no values here (towns, dates of every kind, web addresses) is not blamed for
those: `UNJUDGED` of it that are not right are not wrong either; `precision_of_all` blames it.

recall = values found / values; precision = places right / (places right + places wrong).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.egress.corpus import Document, Gold


class Place(NamedTuple):
    """What a finder found at [start, end) of a text, and as what."""

    start: int
    end: int
    category: str


_TELLING = re.compile(r"[^\W\d_]{4,}|\d{5,}")
UNJUDGED = frozenset({"DATE_TIME", "LOCATION", "NRP", "ORGANIZATION", "URL", "UUID"})


@dataclass
class Score:
    """Counts over any number of documents; `unjudged` are categories of which nothing is wrong."""

    unjudged: frozenset[str] = frozenset()

    found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    missed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    # By the category that the finder gave.
    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrong: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    # Templates and texts, for whoever improves the finder.
    misses: list[tuple[str, str, str]] = field(default_factory=list)
    mistakes: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, document: Document, places: Iterable[Place]) -> None:
        """Holds what was found in a document against its values."""
        places = list(places)
        text = document.text
        covered = _positions(text, places)
        for gold in document.gold:
            if _positions(text, [gold]) <= covered:
                self.found[gold.category] += 1
            else:
                self.missed[gold.category] += 1
                around = text[max(0, gold.start - 30) : gold.end + 20]
                self.misses.append((document.template, gold.category, around))
        values, neutral = _positions(text, document.gold), _positions(text, document.neutral)
        for place in places:
            within = _positions(text, [place])
            if not within - neutral:
                continue
            judged = within - neutral
            if 2 * len(judged & values) >= len(judged) or _holds_one(document, place):
                self.right[place.category] += 1
            else:
                self.wrong[place.category] += 1
                around = text[max(0, place.start - 20) : place.end + 20]
                self.mistakes.append((document.template, place.category, around))

    @property
    def recall(self) -> float:
        return _share(sum(self.found.values()), sum(self.missed.values()))

    @property
    def precision(self) -> float:
        wrong = sum(n for category, n in self.wrong.items() if category not in self.unjudged)
        return _share(sum(self.right.values()), wrong)

    def figures(self) -> dict[str, object]:
        """What is printed: shares rounded to four places, by category the recall and how many there were."""
        categories = sorted({*self.found, *self.missed})
        return {
            "recall": round(self.recall, 4),
            "precision": round(self.precision, 4),
            "precision_of_all": round(
                _share(sum(self.right.values()), sum(self.wrong.values())), 4
            ),
            "values": sum(self.found.values()) + sum(self.missed.values()),
            "by_category": {
                each: {
                    "recall": round(_share(self.found[each], self.missed[each]), 4),
                    "values": self.found[each] + self.missed[each],
                }
                for each in categories
            },
            # A finder has its own categories, so its precision is told by those.
            "precision_by_what_it_said": {
                each: {
                    "precision": round(_share(self.right[each], self.wrong[each]), 4),
                    "places": self.right[each] + self.wrong[each],
                }
                for each in sorted({*self.right, *self.wrong})
            },
        }


def merged(places: Iterable[Place]) -> list[Place]:
    """Places that overlap as one, as whoever replaces them would have it; it counts as the longest of them."""
    said = list[Place]()
    for place in sorted(places, key=lambda each: (each.start, -each.end)):
        if said and place.start < said[-1].end:
            last = said[-1]
            longer = place if place.end - place.start > last.end - last.start else last
            said[-1] = Place(last.start, max(last.end, place.end), longer.category)
        else:
            said.append(place)
    return said


def score(
    documents: Sequence[Document],
    found: Sequence[Iterable[Place]],
    unjudged: frozenset[str] = frozenset(),
) -> Score:
    """Of what was found in each of the documents, in their order."""
    whole = Score(unjudged)
    for document, places in zip(documents, found, strict=True):
        whole.add(document, places)
    return whole


def _holds_one(document: Document, place: Place) -> bool:
    """Whether it is one word and holds a whole value."""
    return not re.search(r"\s", document.text[place.start : place.end]) and any(
        place.start <= gold.start and gold.end <= place.end for gold in document.gold
    )


def covers(text: str, places: Iterable[Place], value: Gold) -> bool:
    """Whether every letter and digit of a value is covered by what was found."""
    return _positions(text, [value]) <= _positions(text, places)


def stands_in(document: Document, value: Gold, text: str) -> bool:
    """Whether a value is in a text, whole or by a part that tells it.

    That is a word of at least four letters or a number of at least five digits which is nowhere else in the
    document; of an address of mail what stands before its host, of a date nothing but all of it.
    """
    said = document.text[value.start : value.end]
    if said in text:
        return True
    rest, begin = list[str](), 0
    for gold in document.gold:
        rest.append(document.text[begin : gold.start])
        begin = gold.end
    around = "".join([*rest, document.text[begin:]])
    parts = _TELLING.findall(said)
    if value.category == "EMAIL":
        parts = [said.partition("@")[0]]
    elif value.category == "BIRTH_DATE":
        parts = []
    return any(part in text and part not in around for part in parts)


def _positions(text: str, places: Iterable[Gold | Place]) -> set[int]:
    return {at for place in places for at in range(place.start, place.end) if text[at].isalnum()}


def _share(part: int, rest: int) -> float:
    return part / (part + rest) if part + rest else 1.0

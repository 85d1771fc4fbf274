"""Tells what the words beside a number say of it, where its shape alone says too little."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from ahocorasick_rs import AhoCorasick

# How far before and after a value a word still speaks of it.
BEFORE, AFTER = 64, 28
# What may stand between the end of a label's word and its value.
_LINK = re.compile(
    r"\w{0,24}[^\w\n]{0,6}(?:\n(?=mit|with|nr|nummer|no|lautet|ist|is))?"
    r"(?:(?:nr|nummer|no|num|number|lautet|ist|is|war|was|des|der|dem|von|of|mit|with|the)\b"
    r"(?:[^\w\n]{0,4}|\n)){0,3}",
    re.IGNORECASE,
)
# How long that can be, and how many words in a row are looked at.
_LABEL_REACH, _LABEL_WORDS = 60, 4


class Words:
    """Words that speak of one sort of value, also within longer ones.

    With a blank before it one is the beginning of a word only, with a blank after it the end of one.
    """

    def __init__(self, *words: str) -> None:
        self.literals = {each.strip().lower(): (each[0] == " ", each[-1] == " ") for each in words}


# Whoever numbers these numbers no people: what follows is not recognised without a word that says so.
OTHER_NUMBERS = Words(
    "bestell", "auftrag", "rechnung", "artikel", "material", "vorgang", "ticket", "order",
    "invoice", "aktenzeichen", "geschäftszeichen", " az ", "isbn", "issn", " ean ", "gtin",
    "seriennummer", "serial", "tracking", "sendung", "paket", "version", "commit", "build",
    "revision", "chassis", "charge", " lot ", "batch", " sku ", "barcode", " po ", "purchase",
    "beleg", "buchung", "reference", "referenz", "kunden", "customer", "mitglied", "member",
    "vertrag", "contract", "zähler", "inventar", "transaktion", "transaction", " id ", "betrag",
    "summe", "amount", "total", "drucksache", "projekt", "project", " case ", "part", "teile",
    " zip ", "timestamp", "epoch", "release", "firmware", "_id", "kassenzeichen", "section",
    "abschnitt", "kapitel", "ziffer", " rfc", "verwendungszweck", "flurstück", "konto",
)  # fmt: skip
_OTHER_LINK = re.compile(
    r"[\w./-]{0,24}[^\w\n]{0,4}(?:(?:nr|nummer|no|number|id)\b[^\w\n]{0,4}){0,2}", re.IGNORECASE
)


class Lexicon:
    """Finds the words of many in one pass over a text (Aho and Corasick)."""

    def __init__(self, many: Iterable[Words]) -> None:
        owners: dict[str, list[tuple[Words, bool, bool]]] = {}
        for words in many:
            for literal, bounds in words.literals.items():
                owners.setdefault(literal, []).append((words, *bounds))
        self._owners = tuple(owners.values())
        self._search = AhoCorasick(list(owners))

    def find(self, lower: str) -> "Occurrences":
        """Where the words stand in a text in small letters."""
        spans: dict[Words, list[tuple[int, int]]] = {}
        if not lower.isascii():
            # Half of a pair of surrogates is no character, and nothing that a word has.
            lower = lower.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        for pattern, start, end in self._search.find_matches_as_indexes(lower, overlapping=True):
            joined_before = lower[start - 1 : start].isalnum()
            joined_after = lower[end : end + 1].isalnum()
            for owner, begins, ends in self._owners[pattern]:
                if not (begins and joined_before) and not (ends and joined_after):
                    spans.setdefault(owner, []).append((start, end))
        return Occurrences(lower, spans)


class Occurrences:
    """Where in one text the words of each stand."""

    def __init__(self, text: str, spans: dict[Words, list[tuple[int, int]]]) -> None:
        self._text = text
        # By where they end, which is the order that they were found in.
        self._spans = {words: sorted(each, key=lambda one: one[1]) for words, each in spans.items()}
        self._starts = {words: sorted(start for start, _ in each) for words, each in spans.items()}
        self._ends = {words: [end for _, end in each] for words, each in self._spans.items()}

    def spans(self, words: Words) -> list[tuple[int, int]]:
        """From left to right."""
        spans = self._spans.get(words)
        return sorted(spans) if spans else []

    def last_before(self, words: Words, start: int) -> tuple[int, int] | None:
        """The word that stands last before what begins here."""
        last = bisect_right(self._ends.get(words, ()), start) - 1
        return self._spans[words][last] if last >= 0 else None

    def near(self, words: Words, start: int, end: int, before: int = BEFORE) -> bool:
        """Whether one stands close before a value, or just after it in the same line."""
        ends = self._ends.get(words)
        if ends is None:
            return False
        last = bisect_right(ends, start) - 1
        if last >= 0 and ends[last] >= start - before:
            return True
        starts = self._starts[words]
        following = bisect_left(starts, end)
        return (
            following < len(starts)
            and starts[following] <= end + AFTER
            and "\n" not in self._text[end : starts[following]]
        )

    def label(self, words: Words, start: int) -> bool:
        """Whether one is the label of what begins here."""
        return self._leads(words, start, _LINK)

    def of_other_numbers(self, start: int, others: Words = OTHER_NUMBERS) -> bool:
        """Whether a number that begins here is said to be one of an order, an article, a file ..."""
        return self._leads(others, start, _OTHER_LINK)

    def _leads(self, words: Words, start: int, link: re.Pattern[str]) -> bool:
        ends = self._ends.get(words, [])
        last = bisect_right(ends, start) - 1
        for place in range(last, max(last - _LABEL_WORDS, -1), -1):
            if ends[place] < start - _LABEL_REACH:
                return False
            if link.fullmatch(self._text, ends[place], start):
                return True
        return False


def lowered(text: str) -> str:
    """A text in small letters, each where it was."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    # İ has two characters then.
    return "".join(each if len(each.lower()) != 1 else each.lower() for each in text)

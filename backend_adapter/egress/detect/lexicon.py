"""The lists of words that names are recognised by, read once: written for this project from general knowledge.

`first_names.txt` has a first name and its gender (f, m, u for both) in each line; `ambiguous_names.txt` those of them
that are words, places or products as well; `surnames.txt` frequent surnames; `common_words.txt` what begins with a
capital letter and is no name, most of it German nouns, months, towns and the words that sentences begin with.
"""

from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

Gender: TypeAlias = Literal["f", "m", "u"]

# Nouns are made of these without end; a surname of that form is in the list of surnames.
_ENDINGS = (
    "heit", "keit", "schaft", "tion", "tionen", "tät", "täten", "ismus", "ung", "ungen", "nisse", "innen", "amt", "ämter",
    "straße", "strasse", "gasse", "allee", "platz", "ring", "weg", "liste", "nummer", "gebühr", "akte", "frist", "haus",
    "recht", "gesetz", "ness", "ment", "ments", "ship", "ing", "ability", "ology", "kasse", "stelle", "kunde", "ware",
    "werk", "ordner", "fläche", "plan", "preis", "zahl", "zeit", "jahr", "tag", "wert", "bank", "verein", "verband",
    "gruppe", "schule", "schein", "betrag", "konto", "daten", "kosten", "steuer", "beleg", "brief", "buch",
)  # fmt: skip


def _lines(name: str) -> list[str]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return text.split("\n")[:-1]


@cache
def first_names() -> dict[str, Gender]:
    """Each first name and its gender."""
    genders: dict[str, Gender] = {"f": "f", "m": "m", "u": "u"}
    pairs = (line.split("\t") for line in _lines("first_names.txt"))
    return {name: genders[gender] for name, gender in pairs}


@cache
def ambiguous_names() -> frozenset[str]:
    """First names that are something else as often."""
    return frozenset(_lines("ambiguous_names.txt"))


@cache
def surnames() -> frozenset[str]:
    """Frequent surnames."""
    return frozenset(_lines("surnames.txt"))


@cache
def common_words() -> frozenset[str]:
    """What is no name, though it begins with a capital letter."""
    return frozenset(_lines("common_words.txt"))


@cache
def _lower_nouns() -> frozenset[str]:
    return frozenset(word.lower() for word in common_words() if len(word) >= 5)


def is_surname(word: str) -> bool:
    """Whether a word is a frequent surname, or several of them with hyphens; in capitals as well."""
    return all(
        part in surnames() or (part.isupper() and part.title() in surnames())
        for part in word.split("-")
    )


def gender_of_first(word: str) -> Gender | None:
    """The gender of a first name, of a double one that of its first part; None for what is no first name."""
    names = first_names()
    if (gender := names.get(word)) is not None:
        return gender
    if word.isupper() and len(word) > 2:
        return gender_of_first(word.title())
    if "-" in word:
        parts = word.split("-")
        if all(part in names for part in parts):
            return names[parts[0]]
    return None


def is_common(word: str) -> bool:
    """Whether a word with a capital letter is a noun or something else that is no name, as far as one can tell."""
    return _is_common(word.title() if word.isupper() else word)


@cache
def _endings_by_length() -> tuple[str, ...]:
    return tuple(sorted(_ENDINGS, key=len, reverse=True))


def _is_common(word: str) -> bool:
    if word in common_words():
        return True
    if "-" in word:
        return any(_is_common(part) for part in word.split("-"))
    if is_surname(word) or word in first_names():
        return False
    lower = word.lower()
    if len(lower) > 6 and lower.endswith(_endings_by_length()):
        return True
    # A compound noun: Wohngeldantrag.
    nouns = _lower_nouns()
    return any(lower[begin:] in nouns for begin in range(3, len(lower) - 4))

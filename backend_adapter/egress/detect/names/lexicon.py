"""The lists of words that names are recognised by, read once: written for this project from general knowledge.

`first_names.txt` has a first name and its gender (f, m, u for both) in each line; `ambiguous_names.txt` those
of them that are words, places or products as well; `surnames.txt` frequent surnames; `surnames_and_words.txt`
those that are words as well; `common_words.txt` what begins with a capital letter and is no name, most of it
German nouns; `towns.txt` places; `stop_words.txt` what sentences begin with; `titles.txt` titles and their
genders; `roles.txt` what people are to somebody; `articles.txt` what stands before a noun and before no name.
"""

from functools import cache
from typing import Literal, TypeAlias

from backend_adapter.egress.detect import word_lists

Gender: TypeAlias = Literal["f", "m", "u"]

# Nouns are made of these without end; a surname of that form is in the list of surnames.
_ENDINGS = (
    "heit", "keit", "schaft", "tion", "tionen", "tät", "täten", "ismus", "ung", "ungen", "nisse", "innen",
    "amt", "ämter", "straße", "strasse", "gasse", "allee", "liste", "nummer", "gebühr", "akte", "frist",
    "gesetz", "ness", "ments", "ability", "ology", "kasse", "stelle", "verein", "verband", "gruppe",
    "schule", "schein", "betrag", "konto", "daten", "kosten", "steuer", "beleg",
)  # fmt: skip
# Both nouns and surnames end with these.
_DOUBTFUL_ENDINGS = (
    "ing", "haus", "plan", "buch", "jahr", "tag", "bank", "werk", "preis", "ring", "weg", "brief", "zeit",
    "wert", "zahl", "kunde", "ware", "recht", "platz", "ment", "ship", "ordner", "fläche", "erei",
    "meister", "anwalt", "arzt", "leiter", "berater", "führer", "lehrer", "besitzer", "inhaber", "händler",
    "markt", "hof", "shop", "ei", "ung", "or", "ist", "ion", "ent", "ant", "ie", "ik", "ur", "age", "anz",
    "enz",
)  # fmt: skip


@cache
def first_names() -> dict[str, Gender]:
    """Each first name and its gender."""
    return _with_genders("first_names.txt")


@cache
def ambiguous_names() -> frozenset[str]:
    """First names that are something else as often."""
    return frozenset(_lines("ambiguous_names.txt"))


@cache
def surnames() -> frozenset[str]:
    """Frequent surnames."""
    return frozenset(_lines("surnames.txt"))


@cache
def surnames_and_words() -> frozenset[str]:
    """Surnames that say nothing by themselves, because they are words, first names or places as often."""
    return frozenset(_lines("surnames_and_words.txt"))


@cache
def sure_surnames() -> frozenset[str]:
    """Frequent surnames that are no words besides."""
    return surnames() - common_words() - surnames_and_words()


@cache
def titles() -> dict[str, Gender]:
    """Each title and its gender: after them comes a name, and nothing else."""
    return _with_genders("titles.txt")


@cache
def roles() -> frozenset[str]:
    """What people are to somebody: after them may come a name."""
    return frozenset(_lines("roles.txt"))


@cache
def articles() -> frozenset[str]:
    """Before a noun, and before no name, in small letters."""
    return frozenset(_lines("articles.txt"))


@cache
def common_words() -> frozenset[str]:
    """What is no name, though it begins with a capital letter."""
    return frozenset(_lines("common_words.txt")) | towns() | stop_words()


@cache
def towns() -> frozenset[str]:
    """Places, of which some are surnames too."""
    return frozenset(_lines("towns.txt"))


@cache
def stop_words() -> frozenset[str]:
    """What sentences begin with, and no name is."""
    return frozenset(_lines("stop_words.txt"))


def _lines(name: str) -> list[str]:
    return word_lists.lines(__package__, name)


def _with_genders(name: str) -> dict[str, Gender]:
    genders: dict[str, Gender] = {"f": "f", "m": "m", "u": "u"}
    pairs = (line.split("\t") for line in _lines(name))
    return {word: genders[gender] for word, gender in pairs}


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
    if word.isupper() and len(word) > 2 and not (titled := word.title()).isupper():
        return gender_of_first(titled)
    if "-" in word:
        parts = word.split("-")
        if all(part in names for part in parts):
            return names[parts[0]]
    return None


def is_common(word: str) -> bool:
    """Whether a word with a capital letter is a noun or something else that is no name, as far as one can tell."""
    return _is_common(word.title() if word.isupper() else word)


def is_doubtful(word: str) -> bool:
    """Whether it may be a noun: too likely for a first name that is not listed."""
    return word.isupper() or is_common(word) or word.lower().endswith(_DOUBTFUL_ENDINGS)


def is_surname_after_first(word: str) -> bool:
    """Whether a word may be the surname after a first name: a frequent one or a place's, but no mere noun."""
    if "-" in word:
        return not all(is_common(part) for part in word.split("-"))
    return is_surname(word) or word in towns() or not is_common(word)


def _is_common(word: str) -> bool:
    if word in common_words():
        return True
    if is_surname(word) or gender_of_first(word) is not None:
        return False
    if "-" in word:
        return any(_is_common(part) and not is_surname(part) for part in word.split("-"))
    lower = word.lower()
    if len(lower) > 6 and lower.endswith(_ENDINGS):
        return True
    # A compound noun: Wohngeldantrag.
    nouns = _lower_nouns()
    return any(lower[begin:] in nouns for begin in range(3, len(lower) - 4))

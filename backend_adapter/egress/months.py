"""How German and English call the months; the full name first, in small letters."""

from typing import Literal, TypeAlias

Language: TypeAlias = Literal["de", "en"]

GERMAN = (
    ("januar", "jan"),
    ("februar", "feb"),
    ("märz", "mär"),
    ("april", "apr"),
    ("mai", "mai"),
    ("juni", "jun"),
    ("juli", "jul"),
    ("august", "aug"),
    ("september", "sep"),
    ("oktober", "okt"),
    ("november", "nov"),
    ("dezember", "dez"),
)
ENGLISH = (
    ("january", "jan"),
    ("february", "feb"),
    ("march", "mar"),
    ("april", "apr"),
    ("may", "may"),
    ("june", "jun"),
    ("july", "jul"),
    ("august", "aug"),
    ("september", "sep"),
    ("october", "oct"),
    ("november", "nov"),
    ("december", "dec"),
)
# Austria's names, other abbreviations, and what stands where there are no umlauts.
OTHERS = {
    "jänner": 1,
    "jän": 1,
    "febr": 2,
    "feber": 2,
    "maerz": 3,
    "marz": 3,
    "mrz": 3,
    "sept": 9,
}


GERMAN_NOUNS = tuple(full.capitalize() for full, _ in GERMAN)
"""The German ones in full, as a text has them."""


def names_of(month: int) -> set[str]:
    """All names of a month from 1 to 12."""
    others = {name for name, number in OTHERS.items() if number == month}
    return {*GERMAN[month - 1], *ENGLISH[month - 1], *others}

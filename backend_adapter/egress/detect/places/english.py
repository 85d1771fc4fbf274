"""Recognises addresses as they are written in Britain and North America.

USPS Publication 28 appendices B and C1 (states and suffixes of streets), Royal Mail's Postcode Address File (form
of a postcode). `street_suffixes.txt` has the suffixes that little else ends with, `street_suffixes_and_words.txt`
those that are words besides.
"""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.places.letters import CAPITAL
from backend_adapter.egress.detect.views import View
from backend_adapter.egress.detect.word_lists import lines

_STATE = (
    "(?:A[AEKLPRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|"
    "P[ARW]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY])"
)
_CERTAIN = "|".join(lines(__package__, "street_suffixes.txt"))
_POSSIBLE = "|".join(lines(__package__, "street_suffixes_and_words.txt"))
_UNIT = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|#)\.? ?#?[\w-]{1,6})"
_ZIP = rf"[,\s]{{1,3}}(?:[{CAPITAL}][\w.'-]+ ?){{1,4}},? {_STATE} \d{{5}}(?:-\d{{4}})?(?!\d)"
_POSTCODE = (
    rf"(?:[,\s]{{1,3}}[{CAPITAL}][\w'-]+(?: [{CAPITAL}][\w'-]+){{0,2}}){{0,3}}"
    r"[,\s]{1,3}[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}(?!\w)"
)
_STREET = re.compile(
    r"(?:(?:Flat|Unit|Apartment) \d{1,4}[A-Z]?, )?(?P<house>\d(?<![\w.,/#:-].)\d{0,5}[A-Za-z]?) "
    r"(?:(?:[NSEW]|North|South|East|West|NE|NW|SE|SW)\.? )?"
    rf"(?:(?:[{CAPITAL}][\w.'’-]*|\d{{1,3}}(?:st|nd|rd|th)) ){{1,4}}?"
    rf"(?:(?P<certain>(?:{_CERTAIN})(?![\w])\.?)|(?P<possible>(?:{_POSSIBLE})(?!\w)))"
    r"(?: (?:[NSEW]|NE|NW|SE|SW)(?!\w)\.?)?"
    rf"(?P<unit>{_UNIT})?(?P<tail>{_ZIP}|{_POSTCODE})?"
)
# Suffixes that stand before a name as well: Dr. Miller, St. Mary.
_BEFORE_NAMES = ("Dr", "Dr.", "St", "Pl", "Ct", "Sq")
_YEAR = re.compile(r"(?:19|20)\d\d")
# Addresses of the United States' forces.
_FORCES = re.compile(
    r"(?:(?:PSC|Unit|CMR) \d{1,5},? Box \d{1,5}|(?:USNS|USS|USNV|USCGC) \w+)"
    r"[,\s]{1,3}(?:APO|FPO|DPO),? A[AEP] \d{5}(?:-\d{4})?"
)


def english(view: View) -> Iterator[tuple[int, int]]:
    """Where in a text those are that stand in a view of it."""
    for match in _STREET.finditer(view.text):
        if _is_address(match):
            yield view.span(*match.span())
    for match in _FORCES.finditer(view.text):
        yield view.span(*match.span())


def _is_address(match: re.Match[str]) -> bool:
    if match["tail"] or match["unit"]:
        return True
    if match["certain"]:
        return match["certain"] not in _BEFORE_NAMES or match[0].count(" ") >= 2
    # What begins with four digits of that form is a year: 2024 Summer Camp.
    return len(match["house"]) >= 3 and not _YEAR.fullmatch(match["house"])

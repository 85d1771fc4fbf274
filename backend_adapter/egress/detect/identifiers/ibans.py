"""Recognises international bank account numbers by the length of their country's and their checksum."""

import re
from collections.abc import Iterator

from stdnum.iban import is_valid

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import LABELLED, SHAPED, Hit
from backend_adapter.egress.detect.identifiers.presidio import SEPARATORS
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import matches

# ISO 13616: how long an IBAN of each country is (SWIFT, "IBAN Registry").
_LENGTHS = dict(  # noqa: C408 - countries without quotes
    AD=24, AE=23, AL=28, AT=20, AZ=28, BA=20, BE=16, BG=22, BH=22, BR=29, BY=28, CH=21, CR=22, CY=28, CZ=24,
    DE=22, DK=18, DO=28, EE=20, EG=29, ES=24, FI=18, FO=18, FR=27, GB=22, GE=22, GI=23, GL=18, GR=27, GT=28,
    HR=21, HU=28, IE=22, IL=23, IQ=23, IS=26, IT=27, JO=30, KW=30, KZ=20, LB=28, LC=32, LI=21, LT=20, LU=20,
    LV=21, LY=25, MC=27, MD=24, ME=22, MK=19, MR=27, MT=31, MU=30, NL=18, NO=15, PK=24, PL=28, PS=29, PT=25,
    QA=29, RO=24, RS=22, SA=24, SC=31, SE=24, SI=19, SK=24, SM=27, TN=24, TR=26, UA=29, VA=22, VG=24, XK=20,
)  # fmt: skip
_IBAN = re.compile(r"[A-Za-z](?<![\w].)[A-Za-z]\d\d(?:[ -]?[A-Za-z0-9]){11,34}")
_WORDS = Words("iban", "bankverbindung", "kontoverbindung")
WORDS = (_WORDS,)


def ibans(scan: Scan) -> Iterator[Hit]:
    """All in a text: as many characters as their country's have, with the checksum of ISO 7064.

    One with a wrong checksum is recognised where a word says that it is one.
    """
    for match, start in matches(_IBAN, scan.numbers):
        length = _LENGTHS.get(match[0][:2].upper())
        places = [place for place, char in enumerate(match[0]) if char.isalnum()]
        if length is None or len(places) < length:
            continue
        end = places[length - 1] + 1
        following = match.start() + end
        if match.string[following : following + 1].isalnum():
            continue
        value = match[0][:end]
        if is_valid(SEPARATORS.sub("", value)):
            yield Hit(start, start + end, "IBAN", LABELLED)
        elif scan.occurrences.near(_WORDS, start, start + end) and value[:2].isupper():
            yield Hit(start, start + end, "IBAN", SHAPED)

"""A town with its postal code, and how it is joined to what stands before it."""

import re

from backend_adapter.egress.detect.places.letters import CAPITAL

_BEFORE = (
    "Bad", "Sankt", r"St\.", "Markt", "Stadt", "Hansestadt", "Lutherstadt", "Kurort", "Ostseebad",
    "Nordseebad", "Seebad", "Flecken", "Schwäbisch", "Bayerisch", "Deutsch", "Hessisch",
    "Preußisch", "Wendisch", "Königs", "Burg", "Schloss", r"Hann\.", "Groß", "Klein", "Neu", "Alt",
    "Hohen", "Ober", "Nieder", "Unter",
)  # fmt: skip
# What leads to the river, the wood or the region that tells it from others of its name.
_WITHIN = (
    "am", "an der", r"a\. ?d\.", r"a\.", "ob der", r"o\. ?d\.", "bei", r"b\.", "in der",
    r"i\. ?d\.", r"i\.", "im", "in", "vor der", "vor dem", "vorm", r"v\. ?d\.", "unterm", "unter",
    "zu", "auf dem", "auf der", "auf",
)  # fmt: skip
_TOWN = (
    rf"(?:(?:{'|'.join(_BEFORE)})[ -])?"
    rf"[{CAPITAL}][\w-]{{1,40}}+(?:\.[\w-]+)*(?:/[{CAPITAL}]\w+)?"
    rf"(?:[ -](?:{'|'.join(_WITHIN)}) ?[{CAPITAL}][\w-]+)?"
    rf"(?: \([{CAPITAL}][\w. -]{{1,24}}\))?(?: (?:[IVX]{{1,4}}|\d{{1,2}})(?!\w))?"
)
POSTAL = (
    rf"(?:(?:D|DE)[- ]?)?\d{{5}}(?!\d) {{1,2}}{_TOWN}"
    rf"|(?:(?:A|AT|CH)[- ]?)?\d{{4}}(?!\d) {{1,2}}{_TOWN}"
)
# Between a street and its town: in the same line, or in the next one.
BETWEEN = r"[ \t]{0,2}(?:,|;|\||·|•|–|-|/)?[ \t]{0,2}(?:\r?\n[ \t>|]{0,8})?"
TAIL = re.compile(rf"{BETWEEN}(?<=[\s,;|·•/–-])(?:{POSTAL})")
# Where a line of its own may begin.
POSTAL_LINE = re.compile(rf"\d(?<![\w./-].)\d{{4}}(?!\d) {{1,2}}{_TOWN}")

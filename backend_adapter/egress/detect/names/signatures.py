"""Reads the names below the closing of a letter, and after what says that somebody signed."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.names.letters import UPPER
from backend_adapter.egress.detect.names.lexicon import gender_of_first
from backend_adapter.egress.detect.names.reading import Name, name_at

_CLOSING = re.compile(
    r"(?:Gr(?:ü|ue)(?:ß|ss)en?|Hochachtungsvoll|MfG|mfg|LG|VG|BG|[Rr]egards|[Ss]incerely|[Ff]aithfully|[Tt]ruly|"
    r"[Bb]est wishes|Cheers|[Tt]hanks|Thank you|Dank|Best|[Ii]m Auftrag|Gruß|Yours)(?: aus [A-ZÄÖÜ]\w+)?"
    r"(?:[,!.]?[ \t]*(?:\r?\n[ \t>]*){1,4}|, ?| (?=[A-ZÄÖÜ]))"
    r"(?:(?:i\. ?A\.|i\. ?V\.|gez\.|Ihre?|Deine?|Eure?|ppa\.|Im Auftrag)[ \t]*(?:\r?\n[ \t>]*){0,3})?"
)
_SIGNED = re.compile(
    r"(?<!\w)(?:i\. ?A\.|i\. ?V\.|gez\.|ppa\.|signed|Signed(?: by)?:?|Unterzeichnet(?: von)?:?|geb\.|geborene|née)"
    rf"[ \t\n]{{1,3}}(?=[{UPPER}])"
)
_LINE_END = re.compile(
    r"(?:,? (?:B\.? ?(?:Sc|A|Eng)|M\.? ?(?:Sc|A|Eng)|LL\. ?[BM]|MBA|MD|DDS|DVM|PhD|Ph\.D|Jr|Sr|II|III|IV)\.?)*"
    r"[ \t]*(?:[,.]?[ \t]*(?:\r?\n|$)|\(|[-–|/])"
)
_REACH = 80


def signed(text: str) -> Iterator[Name]:
    """All such names in a text."""
    for match in _CLOSING.finditer(text):
        name = name_at(text, match.end(), min(match.end() + _REACH, len(text)))
        if name and (_LINE_END.match(text, name.end) or "\n" not in match[0]):
            single = name.last == name.start
            word = text[name.start : name.end]
            if "\n" in match[0] or gender_of_first(word.split(" ")[0]) or not single:
                yield name
    for match in _SIGNED.finditer(text):
        if name := name_at(text, match.end(), min(match.end() + _REACH, len(text))):
            yield name

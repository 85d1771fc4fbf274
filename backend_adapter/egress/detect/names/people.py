"""Recognises the names of people by lists of names and by the words beside them: titles, greetings, closings.

No model and no download: what is found is what the words say.
"""

import re
from collections.abc import Iterator, Sequence

from backend_adapter.egress.detect.hits import NAME, Hit
from backend_adapter.egress.detect.names.announced import announced, may_announce
from backend_adapter.egress.detect.names.letters import UPPER
from backend_adapter.egress.detect.names.lexicon import gender_of_first
from backend_adapter.egress.detect.names.reading import Name
from backend_adapter.egress.detect.names.repeats import repeated
from backend_adapter.egress.detect.names.signatures import signed
from backend_adapter.egress.detect.scan import Scan

_WORD = re.compile(rf"[{UPPER}](?<![\w@/.\\-].)(?:\w|['’](?=\w)|-(?=[{UPPER}]))+(?![\w@])")
_PARTNER_BEFORE = re.compile(rf"(?<![\w-])(?P<first>[{UPPER}][\w-]+) (?:und|and|&|u\.) $")


def people(scan: Scan, told: Sequence[Hit] = ()) -> Iterator[Hit]:
    """All names in a text but those of firms and streets; and again those that fields or neighbours have `told`."""
    text = scan.text
    words = [(match.start(), match[0]) for match in _WORD.finditer(text)]
    known = may_announce()
    found: list[Name] = []
    until = 0
    for start, word in words:
        if start < until or (word not in known and "-" not in word):
            continue
        name = announced(text, start, word)
        if name is not None:
            found += _with_partner(text, name)
            until = name.end
    found += signed(text)
    for name in found:
        yield Hit(name.start, name.end, "PERSON", NAME)
    yield from repeated(text, words, found, told)


def _with_partner(text: str, name: Name) -> list[Name]:
    """Anna und Peter Müller: the first of them too."""
    before = (
        _PARTNER_BEFORE.search(text[max(name.start - 40, 0) : name.start])
        if text[max(name.start - 2, 0) : name.start] in ("d ", "& ", ". ")
        else None
    )
    if before and name.last > name.start and gender_of_first(before["first"]):
        begin = name.start - len(before[0])
        return [Name(begin, begin + len(before["first"]), begin), name]
    return [name]

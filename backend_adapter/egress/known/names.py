"""In which forms a person's name is written: its parts in other orders, joined, without its titles."""

import re
from typing import TypeAlias

from backend_adapter.egress.known.skeleton import BAR_TOKEN, tokens

# How somebody is spoken to, and what follows that.
_TITLES = frozenset(b"dr prof professor dipl mag herr herrn frau hr fr mr mrs ms".split())
_AFTER_TITLES = _TITLES | frozenset(b"ing med jur rer nat phil pol dent vet habil h c".split())
# Marks within a part of a name that are left out as well: Hans-Peter, O'Brien.
_WITHIN = re.compile("[-‐‑'’‘ʼ`´]")
# With more parts than these, nobody changes their order.
_MOST = 4
# Joined parts are a name where they can hardly be another word: Le Ben is none.
_SHORTEST_PART, _SHORTEST_JOINED = 3, 8
_COMMA = b" " + BAR_TOKEN + b" "
# Letters of the Latin script and all marks are before these, but for the Vietnamese ones.
_NOT_LATIN = re.compile("[^\x00-\u02ff\u1e00-\u20ff]")


def forms_of_name(name: str) -> list[bytes]:
    """Jörg Weißmüller, Weißmüller Jörg, Weißmüller, Jörg, and JörgWeißmüller as users are called.

    None where there is no letter or digit in it.
    """
    words = tokens(name)
    texts = name.split()
    forms = [b" ".join(words)]
    if not forms[0].strip(_COMMA):
        return []
    if len(words) == len(texts) and "".join(texts).isalpha():
        # As nearly all are: the shorter way to the same.
        forms += _of_parts(_spoken(list(zip(texts, words, strict=True))))
    else:
        forms += _of_parts(_parts(name))
    if _WITHIN.search(name):
        forms += _of_parts(_parts(_WITHIN.sub("", name)))
    if _NOT_LATIN.search(name):
        # Letters of another script may look otherwise in upper case than in lower.
        for cased in (name.upper(), name.lower()):
            forms += _of_parts(_parts(cased))
    return forms


# A part of a name as it is written, and its words.
_Part: TypeAlias = tuple[str, bytes]


def _parts(name: str) -> list[_Part]:
    """First names first, and no title."""
    first, comma, last = name, "", ""
    if name.count(",") == 1:
        last, comma, first = name.partition(",")
    whole = (f"{first} {last}" if comma else name).split()
    return _spoken([(part, words) for part in whole if (words := b" ".join(tokens(part)))])


def _spoken(parts: list[_Part]) -> list[_Part]:
    if parts[0][1].partition(b" ")[0] not in _TITLES:
        return parts
    begin, titles = 0, _TITLES
    while begin < len(parts) and titles.issuperset(parts[begin][1].split()):
        begin, titles = begin + 1, _AFTER_TITLES
    # Who has listed `Frau Lang` has not listed everybody who is called so.
    return parts[begin:] if begin + 1 < len(parts) else parts


def _of_parts(parts: list[_Part]) -> list[bytes]:
    written = [words for _, words in parts]
    forms = [b" ".join(written)]
    if not 1 < len(written) <= _MOST:
        return forms
    for begin in range(1, len(written)):
        last, first = b" ".join(written[begin:]), b" ".join(written[:begin])
        if BAR_TOKEN not in last:
            forms.append(last + _COMMA + first)
        forms.append(last + b" " + first)
    if min(map(len, written)) >= _SHORTEST_PART:
        together = b"".join(written)
        if any(part.startswith(b"e") for part in written[1:]):
            # Two letters may meet that are one.
            together = b"".join(tokens("".join(text for text, _ in parts)))
        if len(together) >= _SHORTEST_JOINED:
            forms.append(together.replace(b" ", b""))
    return forms

"""In which forms a person's name is written: its parts in other orders, joined, without its titles."""

import re
from collections.abc import Iterator
from typing import TypeAlias

from backend_adapter.egress.skeleton import BAR_TOKEN, tokens

# How somebody is spoken to, and what follows that.
_TITLES = frozenset(b"dr prof professor dipl mag herr herrn frau hr fr mr mrs ms".split())
_AFTER_TITLES = _TITLES | frozenset(b"ing med jur rer nat phil pol dent vet habil h c".split())
# Marks within a part of a name that are left out as well: Hans-Peter, O'Brien.
_WITHIN = re.compile("[-‐‑'’‘ʼ`´]")
# With more parts than these, nobody changes their order.
_MOST = 4
# Joined parts are a name where they can hardly be another word: Le Ben is none.
_SHORTEST_PART, _SHORTEST_JOINED = 3, 8
# The last letter that belongs to the Latin script, all others of it have a form there.
_LATIN = "\u024f"


def forms_of_name(name: str) -> Iterator[bytes]:
    """Jörg Weißmüller, Weißmüller Jörg, Weißmüller, Jörg, and JörgWeißmüller as users are called."""
    words = tokens(name)
    yield b" ".join(words)
    texts = name.split()
    if len(words) == len(texts) and "".join(texts).isalpha():
        # As nearly all are: the shorter way to the same.
        yield from _of_parts(_spoken(list(zip(texts, words, strict=True))))
    else:
        yield from _of_parts(_parts(name))
    if _WITHIN.search(name):
        yield from _of_parts(_parts(_WITHIN.sub("", name)))
    if not name.isascii() and any(each > _LATIN and each.isalpha() for each in name):
        # Letters of another script may look otherwise in upper case than in lower.
        for cased in (name.upper(), name.lower()):
            yield from _of_parts(_parts(cased))


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
    begin, titles = 0, _TITLES
    while begin < len(parts) and titles.issuperset(parts[begin][1].split()):
        begin, titles = begin + 1, _AFTER_TITLES
    # Who has listed `Frau Lang` has not listed everybody who is called so.
    return parts[begin:] if begin + 1 < len(parts) else parts


def _of_parts(parts: list[_Part]) -> Iterator[bytes]:
    written = [words for _, words in parts]
    yield b" ".join(written)
    if not 1 < len(written) <= _MOST:
        return
    for begin in range(1, len(written)):
        last, first = b" ".join(written[begin:]), b" ".join(written[:begin])
        if BAR_TOKEN not in last:
            yield b"%b %b %b" % (last, BAR_TOKEN, first)
        yield b"%b %b" % (last, first)
    if min(map(len, written)) >= _SHORTEST_PART:
        together = b"".join(written)
        if any(part.startswith(b"e") for part in written[1:]):
            # Two letters may meet that are one.
            together = b"".join(tokens("".join(text for text, _ in parts)))
        if len(together) >= _SHORTEST_JOINED:
            yield together.replace(b" ", b"")

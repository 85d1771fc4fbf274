"""What stays of a text when all is left out that may differ between two spellings of one value.

Case, Unicode forms (full-width letters, ligatures, decomposed accents), accents, zero-width characters, how umlauts
and ß are spelled (`Müller`, `Mueller`, `MUELLER`, `Muller`), and which of blank, hyphen, dot, slash or apostrophe
stands between two words, and how often. Two texts with one skeleton are one value; `Manuel` and `Manul` are, too.

Sources: Unicode Standard Annex 15 (NFKD) and section 3.13 (caseless matching).
"""

import re
import unicodedata
from typing import NamedTuple

# Between two words; every word has one on both sides.
GAP = "\x1f"
# Any other mark, which no value reaches across unless it has one itself.
BAR = "\x1e"

_BARRED = GAP + BAR + GAP
# What people put between the parts of a name or of a number.
_BETWEEN = frozenset("_./'’ʼ`´()+\\|·•")
_GAPS = re.compile(f"{GAP}+")
# How umlauts are written where there are none, in words and in their skeleton alike.
_DIGRAPHS = re.compile("([aou])e")
_SHRINKING = re.compile(f"{GAP}{GAP}+|[aou]e")


class Skeleton(NamedTuple):
    """The skeleton of a text, and for each of its characters where in the text it comes from."""

    text: str
    origins: list[int]


def words(text: str) -> str:
    """The skeleton of a text with GAPs between words, and at both ends."""
    spread = f"{GAP}{text.translate(_PIECES)}{GAP}"
    return _DIGRAPHS.sub(r"\1", _GAPS.sub(GAP, spread))


def words_with_origins(text: str) -> Skeleton:
    """The same, slower, with origins; those of the GAPs at the ends are -1 and the text's length."""
    spread, origins = [GAP], [-1]
    for position, char in enumerate(text):
        for each in _PIECES[ord(char)]:
            spread.append(each)
            origins.append(position)
    spread.append(GAP)
    origins.append(len(text))
    whole = "".join(spread)
    kept, begin = list[int](), 0
    for match in _SHRINKING.finditer(whole):
        # The first character of each stays.
        kept += range(begin, match.start() + 1)
        begin = match.end()
    kept += range(begin, len(whole))
    return Skeleton("".join(whole[each] for each in kept), [origins[each] for each in kept])


def compact(skeleton: str) -> str:
    """A skeleton without its GAPs: for numbers, whose grouping says nothing."""
    return skeleton.replace(GAP, "")


def compact_with_origins(skeleton: Skeleton) -> Skeleton:
    """The same of a skeleton with origins."""
    kept = [place for place, char in enumerate(skeleton.text) if char != GAP]
    return Skeleton(
        "".join(skeleton.text[each] for each in kept), [skeleton.origins[each] for each in kept]
    )


def leaves_nothing(char: str) -> bool:
    """Whether nothing of a character is seen: a zero-width one, or an accent that stands for itself."""
    return not _PIECES[ord(char)]


class _Pieces(dict[int, str]):
    """What each character becomes, found out when it is met first (for `str.translate`)."""

    def __missing__(self, code: int) -> str:
        piece = self[code] = _piece(chr(code))
        return piece


def _piece(char: str) -> str:
    if unicodedata.category(char) in ("Cf", "Mn", "Me"):
        # Zero-width characters, soft hyphens, marks of direction, accents that stand for themselves.
        return ""
    plain = "".join(
        each
        for each in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
        if not unicodedata.combining(each)
    )
    if plain and plain.isalnum():
        return plain
    if (
        char.isspace()
        or char in _BETWEEN
        or plain in _BETWEEN
        or unicodedata.category(char) in ("Pd", "Zs", "Cc")
    ):
        return GAP
    return _BARRED


_PIECES = _Pieces()

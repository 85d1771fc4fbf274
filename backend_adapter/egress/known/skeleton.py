"""What stays of a text when all is left out that may differ between two spellings of one value.

Case, Unicode forms (full-width letters, ligatures, decomposed accents), accents, zero-width characters, letters of
another script that look the same, digits of other scripts, how umlauts and ß are spelled (`Müller`, `Mueller`,
`MUELLER`, `Muller`), and which of blank, hyphen, dot, slash, apostrophe or asterisk stands between two words, and
how often. Two texts with one skeleton are one value; `Manuel` and `Manul` are, too.

Sources: Unicode Standard Annex 15 (NFKD) and section 3.13 (caseless matching).
"""

import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

from backend_adapter.egress.known.lookalikes import LOOKALIKES, UNSEEN

# Between two words; every word has one on both sides.
GAP = "\x1f"
# Any other mark, which no value reaches across unless it has one itself.
BAR = "\x1e"
BAR_TOKEN = BAR.encode()

_BARRED = GAP + BAR + GAP
# What people put between the parts of a name or of a number.
_BETWEEN = frozenset("_./'’‘‛′ʼ`´()+\\|·•‧∙⋅・−*~⠀")
# How umlauts are written where there are none, in words and in their skeleton alike.
_SHRINKING = re.compile(f"{GAP}{GAP}+|[aou]e")


class Skeleton(NamedTuple):
    """The skeleton of a text, and for each of its characters where in the text it comes from."""

    text: str
    origins: list[int]


def tokens(text: str) -> list[bytes]:
    """The words of the skeleton in UTF-8, a BAR being one of its own: what everything is searched for by."""
    spread = _spread(text).replace(BAR_TOKEN, b" " + BAR_TOKEN + b" ")
    for vowel in b"aou":
        spread = spread.replace(b"%ce" % vowel, b"%c" % vowel)
    return spread.split()


def words(text: str) -> str:
    """The skeleton of a text with GAPs between words, and at both ends."""
    return GAP + "".join(f"{each.decode()}{GAP}" for each in tokens(text))


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


class Places:
    """Where in a text its tokens stand. Only the parts of a long text that are asked for are looked at closely."""

    def __init__(self, text: str) -> None:
        self._pieces = _PIECE.findall(text)
        self._begins = [0, *accumulate(map(len, self._pieces))]
        counts = (len(tokens(piece)) for piece in self._pieces)
        self._firsts = [0, *accumulate(counts)]
        self._marks = dict[int, tuple[list[int], list[int]]]()

    def span(self, first: int, last: int, ending: int) -> tuple[int, int]:
        """From where one token begins to where another ends, less an ending of so many letters.

        What is not seen counts to what it follows: a zero-width character, an accent of its own.
        """
        piece, origins, gaps, number = self._of(first)
        start = piece + origins[gaps[number] + 1]
        piece, origins, gaps, number = self._of(last)
        begin, end = gaps[number] + 1, gaps[number + 1]
        # A mark and the GAPs on both sides of it are one character.
        after = origins[begin] + 1 if origins[begin] == origins[end] else origins[end - ending]
        return start, piece + after

    def _of(self, token: int) -> tuple[int, list[int], list[int], int]:
        number = bisect_right(self._firsts, token) - 1
        if number not in self._marks:
            skeleton = words_with_origins(self._pieces[number])
            gaps = [place for place, char in enumerate(skeleton.text) if char == GAP]
            self._marks[number] = skeleton.origins, gaps
        return self._begins[number], *self._marks[number], token - self._firsts[number]


def _spread(text: str) -> bytes:
    """What each character becomes, one after the other, with blanks for GAPs.

    Nearly all texts have a short way: what is not in Latin-1 (quotation marks, dashes) is little, and bytes are
    translated far faster than characters.
    """
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        try:
            raw = _BEYOND.sub(_as_latin, text).encode("latin-1")
        except UnicodeEncodeError:
            return text.translate(_PIECES).replace(GAP, " ").encode()
    for char, letters in _LONGER:
        raw = raw.replace(char, letters)
    return raw.translate(_TABLE, _DELETED)


def _as_latin(match: re.Match[str]) -> str:
    return _PIECES[ord(match[0])].replace(_BARRED, "!").replace(GAP, " ")


class _Pieces(dict[int, str]):
    """What each character becomes, found out when it is met first (for `str.translate`)."""

    def __missing__(self, code: int) -> str:
        piece = self[code] = _piece(chr(code))
        return piece


def _piece(char: str) -> str:
    category = unicodedata.category(char)
    if (
        category in ("Cf", "Mn", "Me", "Mc")
        or char in UNSEEN
        or (category == "Cc" and not char.isspace())
    ):
        # Zero-width characters, soft hyphens, marks of direction, accents that stand for themselves.
        return ""
    plain = "".join(
        each
        for each in unicodedata.normalize("NFKD", _as_it_looks(char).casefold())
        if not unicodedata.combining(each)
    )
    if plain and plain.isalnum():
        return plain
    if char.isspace() or char in _BETWEEN or plain in _BETWEEN or category in ("Pd", "Zs"):
        return GAP
    return _BARRED


def _as_it_looks(char: str) -> str:
    if (digit := unicodedata.decimal(char, None)) is not None:
        return str(digit)
    return "".join(
        LOOKALIKES.get(each, each)
        for each in unicodedata.normalize("NFKD", LOOKALIKES.get(char, char))
    )


_PIECES = _Pieces()
# Parts of a text, cut where a blank begins, so that no word is in two of them.
_PIECE = re.compile(r"(?s).{1,2048}\S*")
_BEYOND = re.compile("[^\x00-\xff]")
_LATIN = {bytes((code,)): _PIECES[code] for code in range(256)}
# A byte becomes a byte, nothing, or letters (ß, æ, þ).
_DELETED = b"".join(char for char, piece in _LATIN.items() if not piece)
_LONGER = tuple(
    (char, piece.encode()) for char, piece in _LATIN.items() if len(piece) > 1 and piece != _BARRED
)
_TABLE = b"".join(
    {GAP: b" ", _BARRED: BAR_TOKEN}.get(piece, piece.encode()[:1] or b" ")
    for piece in _LATIN.values()
)

"""A text in which each character is the plain one that it was written for, at the same place.

Small letters for large, ASCII for full-width and mathematical letters, one hyphen, one blank, one invisible
character. Sources: Unicode Standard 15, chapter 4 (general categories) and annex 15 (NFKC).
"""

import unicodedata

# What every character that nobody sees becomes: zero-width ones, soft hyphens, marks of direction.
INVISIBLE = "\u200b"
_MINUS = "\u2212"
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_MATHEMATICAL = range(0x1D400, 0x1D800)


def fold(text: str) -> str:
    """As many characters as the text has."""
    return text.translate(_FOLDS)


class _Folds(dict[int, str]):
    """What each character becomes, found out when it is met first (for `str.translate`)."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold(code)
        return folded


def _fold(code: int) -> str:
    char = chr(code)
    if code in _FULL_WIDTH or code in _MATHEMATICAL:
        char = unicodedata.normalize("NFKC", char)
    category = unicodedata.category(char)
    if category == "Cf" or code in _VARIATION_SELECTORS:
        return INVISIBLE
    if category == "Pd" or char == _MINUS:
        return "-"
    if category == "Zs" or char == "\t":
        return " "
    small = char.lower()
    return small if len(small) == 1 else char


_FOLDS = _Folds()

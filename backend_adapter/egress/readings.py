"""What a text says to its reader where it is not written so: `An**na**`, `Anna&nbsp;Lang`, `Weiß-` and `müller`.

A reading is the text with such marks taken away or read, and knows where each of its characters is written. Only a
text that has such marks has one.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple
from urllib.parse import unquote

# What is within a line of text; any other tag begins or ends a part of it.
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|big|cite|code|del|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|sub|sup|tt|u"
    r"|var|wbr)\b|<!",
    re.IGNORECASE,
)
# As UTF-8 looks to who takes it for Windows-1252: ü is Ã¼.
_MISREAD = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
# What a word consists of: accents and what is not seen, too.
_LETTER = r"[^\s!-/:-@\[-`{-~]"
# Three words of one letter each.
_SPACED = re.compile(rb" [^ \x1e] [^ \x1e] [^ \x1e] ")


class Reading:
    """A text as it is read."""

    def __init__(self, text: str, matches: Iterator[tuple[int, int, str]]) -> None:
        said, begin, length = list[str](), 0, 0
        self._starts, self._written = list[int](), list[tuple[int, int, bool]]()
        for start, end, read in matches:
            for piece, written in (
                (text[begin:start], (begin, start, True)),
                (read, (start, end, False)),
            ):
                self._starts.append(length)
                self._written.append(written)
                said.append(piece)
                length += len(piece)
            begin = end
        self._starts.append(length)
        self._written.append((begin, len(text), True))
        self.text = "".join([*said, text[begin:]])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text stands what is at [start, end) of the reading; what was read is taken whole."""
        begin, _, as_is = self._written[first := bisect_right(self._starts, start) - 1]
        if as_is:
            begin += start - self._starts[first]
        after, whole, as_is = self._written[last := bisect_right(self._starts, end - 1) - 1]
        return begin, after + end - self._starts[last] if as_is else whole


class _Rule(NamedTuple):
    """What a pattern matches is read as `said` of it.

    There is such a match only where one of `marks` is in the text, and one of `words` among its tokens.
    """

    pattern: str
    said: Callable[[str], str]
    marks: str
    words: frozenset[bytes] = frozenset()


def _nothing(_: str) -> str:
    return ""


def _tag(written: str) -> str:
    return "" if _INLINE.match(written) else " "


def _utf8(written: str) -> str:
    for encoding in ("cp1252", "latin-1"):
        try:
            return written.encode(encoding).decode()
        except UnicodeError:
            continue
    return written


def _quoted(written: str) -> str:
    raw = bytes.fromhex(written.replace("=", ""))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


_TITLE_WORDS = "prof dr ing dipl med jur rer nat phil pol habil mag herr frau hr fr mr mrs ms h"
_TITLES = f"(?i:(?:{_TITLE_WORDS[:-2].replace(' ', '|')}|h\\.\\s?c)\\b\\.?[\\s-]*){{1,5}}"

_RULES = (
    _Rule(r"<(?i:!--.{0,300}?--|/?[a-z][^<>]{0,300})>", _tag, "<"),
    _Rule(r"&(?i:\#\d{1,7}|\#x[0-9a-f]{1,6}|[a-z]\w{1,31});", html.unescape, "&"),
    _Rule(r"%[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*", unquote, "%"),
    # RFC 2045: characters beyond ASCII, and a line that goes on.
    _Rule(r"=[89a-fA-F][0-9a-fA-F](?:=[89a-fA-F][0-9a-fA-F])*", _quoted, "="),
    _Rule(r"=\r?\n", _nothing, "="),
    # Emphasis within a word.
    _Rule(rf"\*(?<={_LETTER}\*)\*{{0,2}}(?={_LETTER})", _nothing, "*"),
    _Rule(rf"~~(?<={_LETTER}~~)(?={_LETTER})", _nothing, "~"),
    _Rule(rf"`(?<={_LETTER}`)`*(?={_LETTER})", _nothing, "`"),
    # A word that is divided at the end of a line.
    _Rule(rf"-(?<={_LETTER}-)[^\S\n]*\n\s*(?={_LETTER})", _nothing, "-"),
    _Rule(rf"[‐‑\u00ad](?<={_LETTER}.)[^\S\n]*\n\s*(?={_LETTER})", _nothing, "‐‑\u00ad"),
    _Rule(r"[\[({]\s*(?i:at|ät)\s*[\])}]", lambda _: "@", "[({", frozenset((b"at",))),
    _Rule(
        r"[\[({]\s*(?i:dot|punkt)\s*[\])}]",
        lambda _: ".",
        "[({",
        frozenset((b"dot", b"punkt")),
    ),
    # Weißmüller, Dr. Jörg
    _Rule(rf",\s*{_TITLES}", lambda _: ", ", ",", frozenset(_TITLE_WORDS.encode().split())),
    # Thousands.
    _Rule(r",(?<=\d,)(?=\d{3}(?!\d))", _nothing, ","),
    _Rule(rf"[Â-Å]{_MISREAD}", _utf8, "ÂÃÄÅ"),
)
# Letters with one mark between each two, from the first mark on.
_LETTERS = _Rule(
    r"[\s.\-_·|*,](?<=(?<![^\W_])[^\W_].)[^\W_](?![^\W_])(?:[\s.\-_·|*,][^\W_](?![^\W_]))+",
    lambda written: written[1::2],
    "",
)
_ALL = (*_RULES, _LETTERS)
_PATTERNS = tuple(re.compile(rule.pattern, re.DOTALL) for rule in _ALL)


def readings(text: str, words: list[bytes], distinct: Set[bytes]) -> Iterator[Reading]:
    """How the text is read, where that is another way than it is written; `words` are its tokens."""
    marks = tuple(
        number
        for number, rule in enumerate(_RULES)
        if any(mark in text for mark in rule.marks)
        and (not rule.words or not rule.words.isdisjoint(distinct))
        and _PATTERNS[number].search(text)
    )
    if _SPACED.search(b" %b " % b" ".join(words)):
        marks += (len(_RULES),)
    if marks:
        yield Reading(text, _matches(text, marks))


def _matches(text: str, marks: tuple[int, ...]) -> Iterator[tuple[int, int, str]]:
    """From left to right; of two that reach into each other the first."""
    found = (
        (match.start(), match.end(), number)
        for number in marks
        for match in _PATTERNS[number].finditer(text)
    )
    after = 0
    for start, end, number in sorted(found):
        if start >= after:
            yield start, end, _ALL[number].said(text[start:end])
            after = end

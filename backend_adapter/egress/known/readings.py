"""What a text says to its reader where it is not written so: `An**na**`, `Anna&nbsp;Lang`, `Weiß-` and `müller`.

A reading is the text with such marks taken away or read, and knows where each of its characters is written. Only a
text that has such marks has one.
"""

import html
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Set
from typing import NamedTuple

from backend_adapter.egress.known import escapes

# What is within a line of text; any other tag begins or ends a part of it.
_INLINE = re.compile(
    r"</?(?:a|abbr|b|bdi|bdo|big|cite|code|del|em|font|i|ins|kbd|mark|q|s|samp|small|span|strike|strong|sub|sup|tt|u"
    r"|var|wbr)\b|<!",
    re.IGNORECASE,
)
# As UTF-8 looks to who takes it for Windows-1252: ü is Ã¼.
_MISREAD = "[\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_FEW = 2
# What a word consists of: accents and what is not seen, too.
_LETTER = r"[^\s!-/:-@\[-`{-~]"
# Three words of one letter each.
_SPACED = re.compile(rb" [^ \x1e] [^ \x1e] [^ \x1e] ")


class _Mark(NamedTuple):
    """What stands at [start, end) of a text is read as `said`."""

    start: int
    end: int
    said: str


class Reading:
    """What is at [start, end) of a text, as it is read; `marks` are those in it, from left to right."""

    def __init__(self, text: str, start: int, end: int, marks: list[_Mark]) -> None:
        said, begin, length = list[str](), start, 0
        # Where each piece of the reading begins, where in the text it stands, and whether it stands there so.
        self._begins, self._written = list[int](), list[tuple[int, int, bool]]()
        for mark in (*marks, _Mark(end, end, "")):
            for piece, written in (
                (text[begin : mark.start], (begin, mark.start, True)),
                (mark.said, (mark.start, mark.end, False)),
            ):
                self._begins.append(length)
                self._written.append(written)
                said.append(piece)
                length += len(piece)
            begin = mark.end
        self.text = "".join(said)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text stands what is at [start, end) of the reading; a mark is in it whole or not at all."""
        first, last = bisect_right(self._begins, start) - 1, bisect_right(self._begins, end - 1) - 1
        begin, _, as_is = self._written[first]
        if as_is:
            begin += start - self._begins[first]
        after, whole, as_is = self._written[last]
        return begin, after + end - self._begins[last] if as_is else whole


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
    raw = bytes.fromhex(written.replace("=", ""))  # breaks are skipped
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


_TITLE_WORDS = "prof dr ing dipl med jur rer nat phil pol habil mag herr frau hr fr mr mrs ms h"
_TITLES = f"(?i:(?:{_TITLE_WORDS[:-2].replace(' ', '|')}|h\\.\\s?c)\\b\\.?[\\s-]*){{1,5}}"

_RULES = (
    _Rule(
        r"<(?i:!--(?:(?!<!--).){0,2000}?--|/?[a-z](?:=\"[^\"]{0,500}\"|[^<>]){0,2000}+)>", _tag, "<"
    ),
    _Rule(r"&(?i:\#\d{1,7}|\#x[0-9a-f]{1,6}|[a-z]\w{1,31});", html.unescape, "&"),
    _Rule(escapes.PERCENT, escapes.meant_by_percent, "%"),
    _Rule(escapes.ESCAPED, escapes.meant, "\\"),
    _Rule(escapes.ENCODED_WORDS, escapes.meant_by_words, "?"),
    _Rule(escapes.DATA, escapes.meant_by_data, ",", frozenset((b"base64",))),
    # A line of what somebody quotes or comments out.
    _Rule(escapes.BREAK + r"[^\S\n]*[>#;%][>#;%\s]*", lambda _: "\n", ">#;%"),
    # Links in Markdown, and its footnotes.
    _Rule(r"\[(?=[^\[\]\n]{1,200}\][(\[])", _nothing, "["),
    _Rule(r"\]\((?:[^()\n]|\([^()\n]{0,200}\)){0,500}\)", _nothing, "]"),
    _Rule(r"\]\[[^\[\]\n]{0,100}\]", _nothing, "]"),
    _Rule(r"\[\^[^\[\]\n]{1,40}\]", _nothing, "^"),
    # RFC 2045: characters beyond ASCII, and a line that goes on.
    _Rule(
        r"=[89a-fA-F][0-9a-fA-F](?:(?:=\r?\n)?=[89a-fA-F][0-9a-fA-F])*",
        _quoted,
        "=",
    ),
    _Rule(r"=\r?\n", _nothing, "="),
    # Colours of a terminal.
    _Rule(r"\x1b\[[\d;]{0,20}[A-Za-z]", lambda _: " ", "\x1b"),
    # Emphasis within a word.
    _Rule(rf"\*(?<={_LETTER}\*)\*{{0,2}}(?={_LETTER})", _nothing, "*"),
    _Rule(rf"~~(?<={_LETTER}~~)(?={_LETTER})", _nothing, "~"),
    _Rule(rf"`(?<={_LETTER}`)`*(?={_LETTER})", _nothing, "`"),
    # A word that is divided at the end of a line.
    _Rule(rf"-(?<={_LETTER}-)[^\S\n]*\n\s*(?:[>#;%]\s*)*(?={_LETTER})", _nothing, "-"),
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
# A long number that is written to the letters beside it: Rechnung4711889922.pdf, IBANDE89…, …00BIC.
_GLUED = re.compile(rb"[a-z]\d{5}|\d{5}[a-z]")
_GLUE = _Rule(
    r"(?<=[^\W\d_])(?=\d{5})|(?<=\d{5})(?=[^\W\d_])|(?<=(?i:iban))(?=[A-Za-z]{2}\d{2})",
    lambda _: " ",
    "",
)
# Letters with one mark between each two, from the first mark on.
_LETTERS = _Rule(
    r"[\s.\-_·|*,](?<=(?<![^\W_])[^\W_].)[^\W_](?![^\W_])(?:[\s.\-_·|*,][^\W_](?![^\W_]))+",
    lambda written: written[1::2],
    "",
)
_ALL = (*_RULES, _LETTERS, _GLUE)
_BY_MARK = {
    mark: tuple(number for number, rule in enumerate(_RULES) if mark in rule.marks)
    for mark in sorted({mark for rule in _RULES for mark in rule.marks})
}
_PATTERNS = tuple(re.compile(rule.pattern, re.DOTALL) for rule in _ALL)


def readings(text: str, words: list[bytes], distinct: Set[bytes], reach: int) -> Iterator[Reading]:
    """How the text is read around such marks; `words` are its tokens.

    `reach` is how many characters before and after a mark are of interest.
    """
    numbers = [
        number
        for mark, found in _BY_MARK.items()
        if mark in text
        for number in found
        if not _RULES[number].words or not _RULES[number].words.isdisjoint(distinct)
    ]
    if len(words) > _FEW and _SPACED.search(b" %b " % b" ".join(words)):
        numbers.append(_ALL.index(_LETTERS))
    if any(map(_GLUED.search, distinct)):
        numbers.append(_ALL.index(_GLUE))
    if numbers and (marks := _marks(text, numbers)):
        yield from _around(text, marks, reach)


def _marks(text: str, numbers: list[int]) -> list[_Mark]:
    """From left to right; of two that reach into each other the first, of two that begin together the longer."""
    found = sorted(
        {
            (match.start(), -match.end(), number)
            for number in numbers
            for match in _PATTERNS[number].finditer(text)
        }
    )
    marks, after = list[_Mark](), 0
    for start, negative, number in found:
        end = -negative
        if start >= after:
            marks.append(_Mark(start, end, _ALL[number].said(text[start:end])))
            after = end
    return marks


def _around(text: str, marks: list[_Mark], reach: int) -> Iterator[Reading]:
    """The parts of a text that have marks, cut between words."""
    start, end, within = 0, -1, list[_Mark]()
    for mark in marks:
        begin = max(0, mark.start - reach)
        if begin > end:
            if within:
                yield Reading(text, start, end, within)
            after, within = max(end, 0), []
            start = max(after, text.rfind(" ", after, begin), text.rfind("\n", after, begin))
        within.append(mark)
        if mark.end + reach > end:
            end = _blank(text, mark.end + reach)
    yield Reading(text, start, end, within)


def _blank(text: str, after: int) -> int:
    """Where the next blank is."""
    return min(
        (place for blank in " \n" if (place := text.find(blank, after)) >= 0), default=len(text)
    )

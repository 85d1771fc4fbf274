"""Pseudonyms of a noun and a code (`Person-K7Q`), in all the ways in which a model writes one.

Sources: CommonMark (backslashes, emphasis, entities), RFC 3986 (percent-encoding), RFC 8259 (escapes), RFC 6761
(names that end in `.invalid` are nobody's).
"""

import html
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from backend_adapter.egress.naming.codes import (
    ALPHABET,
    KINDS,
    LONGEST,
    NOUNS,
    SALUTATIONS,
    SHORTEST,
)
from backend_adapter.egress.naming.folding import INVISIBLE, fold
from backend_adapter.egress.naming.shapes import (
    Shape,
    either,
    literal,
    maybe,
    one,
    row,
    times,
)

MAIL_HOST = "example.invalid"

_MAIL = NOUNS["email"].lower()
_UNSEEN = maybe(one(INVISIBLE))
_BACKSLASHES = times(literal("\\"), 0, 2)
_MARK = maybe(either(times(literal("*"), 1, 3), literal("`"), literal("~~"), literal("__")))
# A pseudonym may be broken at its hyphen, in a list or a quotation as well.
_BREAK = row(either(*map(literal, ("\r\n", "\n", "\\n", "\\\\n"))), times(one("[ >]"), 0, 3))
_PERCENT = ("%2d", "%20", "%5f", "%c2%a0", "+")
_ENTITIES = (
    "&#45;",
    "&#x2d;",
    "&#160;",
    "&#xa0;",
    "&nbsp;",
    "&hyphen;",
    "&dash;",
    "&ndash;",
    "&shy;",
)
_ESCAPES = ("\\u002d", "\\u0020", "\\u00a0", "\\u00ad")
_ESCAPED_HYPHEN = row(literal("\\u201"), one("[0-5]"))
_JOINT = either(
    row(maybe(literal(" ")), _BACKSLASHES, literal("-"), maybe(either(literal(" "), _BREAK))),
    *map(literal, ("\\_", "_", ". ", " ", *_PERCENT, *_ENTITIES, *_ESCAPES)),
    _BREAK,
    row(literal("%e2%80%9"), one("[0-5]")),
    row(
        literal("&#82"),
        either(row(literal("0"), one("[89]")), row(literal("1"), one("[0-3]"))),
        literal(";"),
    ),
    row(literal("&#x201"), one("[0-5]"), literal(";")),
    _ESCAPED_HYPHEN,
    row(literal("\\"), _ESCAPED_HYPHEN),
    *(literal(f"\\{each}") for each in _ESCAPES),
)
_LETTER = one(f"[{ALPHABET.lower()}]")
_CODE = row(
    _LETTER,
    times(row(_UNSEEN, _LETTER), SHORTEST - 1, LONGEST - 1),
)
_AT = either(
    *map(literal, ("@", "\\@", "%40", "&#64;", "&commat;", "(at)", "[at]", " (at) ", "\\u0040"))
)
_HOST = row(
    *(
        row(maybe(literal("\\")), literal(char)) if char == "." else literal(char)
        for char in MAIL_HOST
    )
)


def _noun(word: str) -> Shape:
    return row(literal(word[0]), *(row(_UNSEEN, literal(char)) for char in word[1:]))


_BETWEEN = either(row(_UNSEEN, _MARK, _JOINT, _UNSEEN, _MARK), _UNSEEN)
_NOUN = either(*(_noun(word) for word in sorted(KINDS, key=len, reverse=True)))
_SUFFIX = maybe(row(_AT, _HOST))
SHAPE: Shape = row(_NOUN, _BETWEEN, _CODE, _SUFFIX)
"""All of them in a folded text; what it matches may still be unknown."""

STARTS = frozenset(word[0] for word in KINDS)
"""The characters that one begins with."""

_PARTS = re.compile(
    rf"(?P<noun>{_NOUN.whole})"
    rf"(?:{_UNSEEN.whole}(?P<before>{_MARK.whole})(?P<joint>{_JOINT.whole})"
    rf"{_UNSEEN.whole}(?P<after>{_MARK.whole})|{_UNSEEN.whole})"
    rf"(?P<code>{_CODE.whole}){_SUFFIX.whole}"
)
# What is made of words can be made a name in a program as well.
_OF_WORDS = frozenset({"person", "text", "address"})
_NO_WORD = re.compile(r"[\W_]+")


def plain(noun: str, code: str) -> str:
    """What is the same of two ways to write one: the model may take one noun of a person for another."""
    return f"{NOUNS[KINDS[noun]].lower()}-{code}"


@dataclass(frozen=True, slots=True)
class Token:
    """A pseudonym as it stands at the beginning of `text`: `key` says which one it is, `end` where it ends."""

    text: str
    key: str
    end: int
    parts: re.Match[str]

    def said(self, value: str, before: str, after: str) -> str:
        """The value in its place: as a name in a program or within an address where that is how it stands."""
        joint = self.parts["joint"] or ""
        if joint in ("+",):
            said = quote_plus(value)
        elif joint.startswith("%"):
            said = quote(value, safe="")
        elif joint.startswith("&"):
            said = html.escape(value)
        elif joint in ("", "_") and not _quoted(before, after):
            said = self._named(value, joint)
        else:
            said = value
        if _seen(self.parts["noun"]) in SALUTATIONS:
            said = (
                f"{self.text[slice(*self.parts.span('noun'))]}{'.' * joint.startswith('.')} {said}"
            )
        # Emphasis that ends before the hyphen ends after the value, and what begins after it begins before.
        return f"{self.parts['after'] or ''}{said}{self.parts['before'] or ''}"

    def _named(self, value: str, joint: str) -> str:
        if KINDS[_seen(self.parts["noun"])] not in _OF_WORDS:
            return value
        words = [word for word in _NO_WORD.split(value) if word]
        noun, code = (self.text[slice(*self.parts.span(part))] for part in ("noun", "code"))
        if joint == "_":
            if noun.isupper():
                words = [word.upper() for word in words]
            elif not any(char.isupper() for char in noun + code):
                words = [word.lower() for word in words]
        else:
            words = [word[0].upper() + word[1:] for word in words]
            if noun[:1].islower() and words:
                words[0] = words[0].lower()
        return joint.join(words)


def key_of(name: str) -> str | None:
    """Which pseudonym this is, None where it is none of a noun and a code."""
    parts = _PARTS.fullmatch(fold(name))
    return None if parts is None else plain(_seen(parts["noun"]), _seen(parts["code"]))


def code_length(folded: str, start: int) -> int:
    """How long the code of what begins there is so far, 0 where it has not come yet."""
    parts = _PARTS.match(folded, start)
    return 0 if parts is None else len(_seen(parts["code"]))


def codes_in(folded: str) -> Iterator[tuple[int, str]]:
    """The codes of what looks like one in a folded text, known or not, and where each begins."""
    for parts in _PARTS.finditer(folded):
        yield parts.start(), _seen(parts["code"])


def token_at(text: str, folded: str, start: int, known: Container[str]) -> Token | None:
    """The known pseudonym that begins there, None where there is none; `folded` is the folded text."""
    parts = _PARTS.match(folded, start)
    if parts is None:
        return None
    noun = _seen(parts["noun"])
    begin, end = parts.span("code")
    key = plain(noun, _seen(parts["code"]))
    if key in known and not _goes_on(folded[end : end + 1]):
        end = parts.end() if noun == _MAIL else end
        # An address of mail at another host is another one.
        elsewhere = noun == _MAIL and folded[end : end + 1] == "@"
        return None if elsewhere else Token(text, key, end, parts)
    # Person-K7Qkonto: what goes on in small letters after a code in capitals is a word.
    capitals = _capitals(text[begin:])
    if text[begin + capitals : begin + capitals + 1].islower():
        key = plain(noun, _seen(folded[begin : begin + capitals]))
        if key in known:
            return Token(text, key, begin + capitals, parts)
    return None


def _goes_on(char: str) -> bool:
    """Whether it makes a code another one; an ending has no such letter."""
    return char.isdigit() or (char.isalpha() and char.upper() in ALPHABET)


def _capitals(text: str) -> int:
    """How many characters at the beginning are those of a code, letters in capitals."""
    for place, char in enumerate(text[: 2 * LONGEST]):
        if char not in ALPHABET and char != INVISIBLE:
            return place
    return min(len(text), 2 * LONGEST)


def _seen(folded: str) -> str:
    return folded.replace(INVISIBLE, "")


def _quoted(before: str, after: str) -> bool:
    """Whether it is all that stands between quotation marks: then it is a value and no name."""
    return before in ('"', "'") and after in ('"', "'", "\\")

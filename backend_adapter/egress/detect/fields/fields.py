"""Recognises values by the name of the field that they stand in: `Name: …`, a key of JSON, a column of a table."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from backend_adapter.egress.detect.fields.labels import bare_label, field_of, may_end_label
from backend_adapter.egress.detect.fields.people import BULLET
from backend_adapter.egress.detect.fields.tables import tables
from backend_adapter.egress.detect.fields.values import value_hits
from backend_adapter.egress.detect.hits import LABELLED, Hit
from backend_adapter.egress.detect.names.letters import LETTERS, UPPER
from backend_adapter.egress.detect.names.lexicon import (
    ambiguous_names,
    gender_of_first,
    is_common,
    is_surname,
    sure_surnames,
)
from backend_adapter.egress.detect.names.phrases import is_phrase
from backend_adapter.egress.detect.names.reading import name_at

# Only with a value of their own kind is a field of this name one of people.
_NOT_IN_PROSE = frozenset(
    {"von", "an", "by", "to", "from", "present", "user", "username", "benutzer", "nutzer"}
)
# Whoever speaks in a chat: what they say follows, which may begin with any word.
_SPEAKERS = frozenset({"user", "assistant", "system"})
# Between a label and its value, of which one is this.
_JOIN = re.compile(
    r"(?<=[\w.)\]\"'*`])[\"'*`_]{0,3}[ \t]{0,3}(?:=>|[:=])(?![:=/\\])[ \t]{0,16}"
    r"(?:\r?\n[ \t]{0,8}(?=[-*•]? ?[A-ZÄÖÜ0-9\"]))?[\"'*`]{0,3}[ \t]?(?=[^\s,;_])"
)
_LABEL_REACH, _VALUE_REACH = 48, 160
_MOST_WORDS = 4
_LAST_WORD = re.compile(r"[\w.()]+[^\w\n]{0,3}$")
_LABEL_CUT = re.compile(r"[\n\r,;|{}\[\]<>\"'*`•?!]|\. ")
# In a log: user=Xaver Tuppe ip=…, user=xaver.tuppe.
_IN_LOG = re.compile(
    rf"(?P<name>[{UPPER}][^\W\d_]+ [{UPPER}][^\W\d_]+|[{UPPER}][^\W\d_]+(?= [\w.-]+=)"
    r"|(?P<first>[^\W\d_]+)[._][^\W\d_]+)(?=[ \t]+[\w.-]+=|[ \t]*(?:\r?\n|$))"
)
# A form that asks for the first name below the name means the surname by it.
_SURNAME_ABOVE = re.compile(
    r"[\"'`]?[ \t]*[,;|]?[ \t]*\r?\n?[ \t]*[\"'*_]{0,3}"
    r"(?:vornamen?|rufname|first[ _-]?names?|given[ _-]?names?|forenames?)(?!\w)",
    re.IGNORECASE,
)
_AFTER_HEADING = re.compile(r"[ \t]*(?:[\n,;(|]|\r|und\b|and\b|$)")


def fields(text: str) -> Iterator[Hit]:
    """The values of all fields in a text that one can tell the meaning of."""
    if ":" in text or "=" in text:
        yield from _joined(text)
    yield from tables(text)


class _Label(NamedTuple):
    """The label of a field: what is asked for under it, its letters, and what stands before the value with it.

    It is `alone` if nothing of that is another word.
    """

    sort: str
    bare: str
    text: str
    alone: bool


def _joined(text: str) -> Iterator[Hit]:
    for match in _JOIN.finditer(text):
        label = _label_before(text, match.start())
        if label is None:
            continue
        if label.bare in _NOT_IN_PROSE and not label.alone and match[0] != "=":
            continue
        sort, start = label.sort, match.end()
        quote = text[start - 1 : start] if text[start - 1 : start] in ('"', "'", "`") else ""
        end = _end_of_value(text, start, quote)
        if end is None:
            continue
        if not quote:
            if "=" in match[0] and sort in ("people", "part", "name", "ADDRESS"):
                # In a program that is a variable's name, and no value.
                if sort == "people" and match[0] == "=":
                    yield from _in_log(text, start)
                continue
            if sort == "people" and not _is_told(text, start, label):
                continue
            if label.bare in _SPEAKERS and not _begins_with_known(text, start):
                continue
            if sort == "PASSWORD":
                # Those without quotes are told by the words beside them.
                continue
        if sort == "name" and _SURNAME_ABOVE.match(text, end):
            sort = "part"
        yield from value_hits(sort, text, start, end, whole=bool(quote) or label.alone)


def _label_before(text: str, end: int) -> _Label | None:
    """The label that ends here; None where what stands before is none."""
    last = _LAST_WORD.search(text, max(end - 24, 0), end)
    if last is None or not may_end_label(bare_label(last[0])):
        return None
    before = text[max(end - _LABEL_REACH, 0) : end]
    cut = max((one.end() for one in _LABEL_CUT.finditer(before)), default=0)
    words = before[cut:].split()
    for count in range(min(len(words), _MOST_WORDS), 0, -1):
        bare = bare_label(" ".join(words[-count:]))
        if (sort := field_of(bare)) is not None:
            return _Label(sort, bare, before[cut:].strip(), count == len(words))
    return None


def _end_of_value(text: str, start: int, quote: str) -> int | None:
    """Where the value ends that begins here: with its quote, else with the line; None if its quote never ends."""
    if quote:
        closing = text.find(quote, start, start + _VALUE_REACH)
        return closing if closing >= 0 else None
    line = text[start : start + _VALUE_REACH].split("\n", 1)[0]
    return start + len(line.rstrip("\r"))


def _in_log(text: str, start: int) -> Iterator[Hit]:
    """The name that begins here, if what follows has the form of a log."""
    logged = _IN_LOG.match(text, start)
    if logged is None:
        return
    first = logged["first"]
    if first is None:
        words = logged["name"].split(" ")
        is_name = not is_common(words[0]) and not is_phrase(words)
    else:
        is_name = gender_of_first(first.capitalize()) is not None
    if is_name:
        yield Hit(start, logged.end("name"), "PERSON", LABELLED)


def _is_told(text: str, start: int, label: _Label) -> bool:
    """Whether a name may be there: an unknown word only after a heading, with nothing of a program behind it."""
    if bullet := BULLET.match(text, start):
        start = bullet.end()
    name = name_at(text, start, min(start + _VALUE_REACH, len(text)))
    if name is None or name.last != name.start:
        return True
    word = text[name.start : name.end]
    if gender_of_first(word) or is_surname(word):
        return True
    follows = _AFTER_HEADING.match(text[name.end : name.end + 8])
    return (
        label.text[:1].isupper()
        and not label.text.isupper()
        and follows is not None
        and text[name.end : name.end + 1] != "("
    )


def _begins_with_known(text: str, start: int) -> bool:
    """Whether the first word here is a listed first name, or a surname that is no word besides.

    A first name that is a word besides is one if a surname follows: Mark Miller, but not: Mark this as done.
    """
    word = LETTERS.match(text, start)
    if word is None:
        return False
    capitalised = word[0].title() if word[0].islower() or word[0].isupper() else word[0]
    if gender_of_first(capitalised) is None:
        return capitalised in sure_surnames()
    if capitalised not in ambiguous_names():
        return True
    name = name_at(text, start, min(start + _VALUE_REACH, len(text)))
    return name is not None and name.last != name.start and is_surname(text[name.last : name.end])

"""Reads one name from a place in a text: first names, initials, particles and a surname.

German nouns have capital letters too, so a word after a first name is a surname only where it is none of them.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from backend_adapter.egress.detect.names.firms import NO_PERSON
from backend_adapter.egress.detect.names.letters import UPPER, WORD
from backend_adapter.egress.detect.names.lexicon import (
    gender_of_first,
    is_common,
    is_doubtful,
    is_surname,
    is_surname_after_first,
    roles,
    stop_words,
    titles,
)
from backend_adapter.egress.detect.names.titles import TITLES_AT, after_titles

_NOBLE = "(?:Freiherr|Freifrau|Graf|Gräfin|Baron|Baronin|Prinz|Prinzessin|Ritter|Edler|Edle)"
_INITIAL = rf"(?P<initial>[{UPPER}](?:h)?\.(?:-?[{UPPER}]\.)*)(?= ?[{UPPER}])"
_NAME_WORD = rf"(?P<word>(?!{_NOBLE} (?:von|zu) ){WORD})(?![\w@])"
# The next part of a name: after one blank, or in the next line.
NEXT_PART = re.compile(
    rf"(?P<gap>[ \t\u00a0]{{1,2}}|[ \t]?\r?\n[ \t]{{0,4}})(?:{_INITIAL}|{_NAME_WORD}"
    rf"|(?P<particle>(?:{_NOBLE} )?(?:von|van|vom|zu|zum|zur|de|del|della|di|da|dos|das|den|der|ten|ter|te|"
    r"la|le|el|al|bin|ibn|af|av|y|e|und zu)(?= )))"
)
_FIRST_PART = re.compile(
    rf"(?:{_INITIAL}|{_NAME_WORD}"
    rf"|(?P<particle>(?:{_NOBLE} )?(?:von|van|vom|zu|zum|zur|de|del|della|di|da|dos|den|der|ten|ter|"
    r"la|le|el|al|bin|ibn|Van|Von|De)(?= )))"
)
_MOST_PARTS = 5
_UPPERCASE = re.compile(rf"[{UPPER}]")
_COMMA_GIVEN = re.compile(rf", ?(?=[{UPPER}])")
# What follows the first name where the surname stood before it.
GIVEN_AFTER = re.compile(rf"(?: [{UPPER}][\w-]+\.?)?(?=[ \t]*(?:[\n|;)\t\"'`<,./(–-]|$| \())")
# Ends of surnames that no noun has, after which an s is a genitive's.
_GENITIVE_STEMS = (
    "mann", "müller", "mueller", "meier", "meyer", "maier", "mayer", "bauer", "berger", "berg", "stein", "huber",
    "schmidt", "schmid", "ski", "czyk", "wski", "hardt", "ner", "ler", "dorf", "bach", "ow", "witz", "vic", "ić",
)  # fmt: skip


class Name(NamedTuple):
    """A name at [start, end), and its last part at [last, end)."""

    start: int
    end: int
    last: int


@dataclass(slots=True)
class _Read:
    """What was read of a name so far."""

    start: int
    end: int
    last: int
    words: int = 0
    firsts: int = 0
    # Whether a surname was read, after which nothing of a name follows.
    done: bool = False


def name_at(text: str, start: int, end: int) -> Name | None:
    """The name that begins exactly here, where a label says that there is one: even a single word."""
    titled = TITLES_AT.match(text, start, end)
    begin = after_titles(text, titled.end()) if titled else start
    if titled and text[begin : begin + 1] == " ":
        begin += 1
    name = read_name(text, begin, sure=True, titled=titled is not None)
    if name is None or name.end > end:
        return None
    # Weißmüller, Jörg.
    if (
        not _UPPERCASE.search(text, name.start, name.last)
        and (given := _COMMA_GIVEN.match(text, name.end, end))
        and (
            gender_of_first(_word_at(text, given.end()))
            and gender_of_first(text[name.last : name.end]) is None
        )
    ):
        rest = read_name(text, given.end(), sure=True)
        if (
            rest is not None
            and rest.end <= end
            and gender_of_first(text[rest.last : rest.end])
            and GIVEN_AFTER.match(text, rest.end)
        ):
            return Name(name.start, rest.end, name.last)
    return name


def read_name(text: str, start: int, *, sure: bool, titled: bool = False) -> Name | None:
    """The name that begins here; `sure` where something says that there is one, so that a word alone may be it.

    After a title it is one even if it has the form of a noun.
    """
    read: _Read | None = None
    match = _FIRST_PART.match(text, start)
    position = start
    while match is not None and (read is None or read.words < _MOST_PARTS):
        if match["word"]:
            if position > start and NO_PERSON.match(text, position):
                return None
            if not _may_follow(text, match, read, sure=sure, titled=titled):
                break
            read = read or _Read(start, start, start)
            read.words += 1
            first = gender_of_first(match["word"]) is not None
            read.firsts += first
            # The last of several first names may be the surname: Peter Hans.
            read.done = not first
            read.last, read.end = match.span("word")
            if read.firsts and not first and without_ending(text, read.last, read.end) < read.end:
                # Peter Schmidts Hund.
                break
        elif match["particle"] and read is not None and read.done:
            if not sure or read.firsts or read.words > 1 or is_surname(text[read.last : read.end]):
                break
            # After a first name that nobody listed: Xaveriane Freifrau von Hohenfels.
        else:
            read = read or _Read(start, start, start)
        position = match.end()
        if match["initial"]:
            position += text.startswith(" ", position)
            match = _FIRST_PART.match(text, position)
        else:
            match = NEXT_PART.match(text, position)
    if read is None or read.words == 0 or NO_PERSON.match(text, read.end):
        return None
    return Name(read.start, without_ending(text, read.last, read.end), read.last)


def _may_follow(
    text: str, match: re.Match[str], read: _Read | None, *, sure: bool, titled: bool
) -> bool:
    word = match["word"]
    if titled:
        is_noun = word in stop_words() or word in roles()
    elif read is not None and read.firsts and word not in stop_words():
        is_noun = not is_surname_after_first(word)
    else:
        is_noun = is_common(word)
    if not word.replace("-", "").replace("'", "").replace("’", "").isalpha():
        return False
    if "\n" in (match.groupdict().get("gap") or "") and not (
        read and read.words and read.firsts and is_surname(word) and not is_common(word)
    ):
        return False
    if word in titles() or (
        len(word) > 1 and word.isupper() and read and not text[read.last : read.end].isupper()
    ):
        return False
    first = gender_of_first(word) is not None
    if read is None or read.words == 0:
        return not is_noun or (first and not sure)
    if read.done:
        # Only what is certainly one more surname: García López.
        return (
            not is_common(word)
            and (is_surname(word) or (read.firsts > 0 and not is_doubtful(word)))
            and (read.firsts > 0 or not is_surname(text[read.last : read.end]))
        ) or (sure and read.firsts == 0 and read.words == 1 and _is_unknown_first(text, read, word))
    return first or not is_noun


def _is_unknown_first(text: str, read: _Read, word: str) -> bool:
    """Whether what was read is a first name that nobody listed, with this as its surname."""
    return not is_surname(text[read.last : read.end]) and not is_common(word)


def without_ending(text: str, start: int, end: int) -> int:
    """Where a name ends without the ending of its case."""
    word = text[start:end]
    if word[-2:] in ("'s", "’s"):
        return end - 2
    if not word.endswith("s") or len(word) < 5 or is_surname(word) or gender_of_first(word):
        return end
    stem = word[:-1]
    if is_surname(stem) or gender_of_first(stem) or stem.lower().endswith(_GENITIVE_STEMS):
        return end - 1
    return end


def _word_at(text: str, position: int) -> str:
    match = _FIRST_PART.match(text, position)
    return (match["word"] or "") if match else ""

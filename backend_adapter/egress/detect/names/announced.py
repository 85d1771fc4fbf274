"""Reads the name that a word begins or announces.

A first name begins one, and a surname where somebody does something; a title, a role or a greeting announces one.
"""

import re
from functools import cache

from backend_adapter.egress.detect.names.firms import CALLED_AFTER, NO_PERSON
from backend_adapter.egress.detect.names.letters import LETTERS, UPPER
from backend_adapter.egress.detect.names.lexicon import (
    ambiguous_names,
    articles,
    common_words,
    first_names,
    gender_of_first,
    is_common,
    is_doubtful,
    is_surname,
    roles,
    sure_surnames,
    titles,
)
from backend_adapter.egress.detect.names.reading import (
    GIVEN_AFTER,
    NEXT_PART,
    Name,
    read_name,
    without_ending,
)
from backend_adapter.egress.detect.names.titles import after_titles

GREETINGS = frozenset(
    ["Hallo", "Hi", "Hey", "Liebe", "Lieber", "Dear", "Hello", "Moin", "Servus", "Guten"]
)
# What a surname that stands first begins after.
_SURNAME_BEFORE = re.compile(
    r"(?:[\n|;:\t(\"'`>•*–-][ \t]{0,3}|\n\d+[.)] )(?P<name>(?:(?:von|van|de|der|zu|vom|den) ){0,2}"
    rf"[{UPPER}](?:\w|['’]|-(?=[{UPPER}]))+), ?$"
)
# Two words before a surname: the second may be a first name.
_UNLISTED_BEFORE = re.compile(
    r"(?:(?<!\w)(?P<before>\w+)[ \n])?"
    rf"(?<![\w.-])(?P<first>[{UPPER}][a-zà-öø-ÿāčćđęěğılłńőřśšșțůűýžź]{{2,}}) $"
)
_GREETED_BEFORE = re.compile(r"(?<!\w)(?:hallo|hi|hey|liebe|lieber|dear|hello|moin|servus) $")
_ASKED_BEFORE = re.compile(
    r"(?<!\w)(?:(?:asked|told|emailed|thanked|reminded|invited|ask|tell|remind|informed|notified|phoned)|"
    r"(?:reported|created|signed|written|approved|sent|assigned|forwarded|talked|spoke|speak|talk) "
    r"(?:by|to|with|from)|(?:\w+(?:t|en)) (?:von|durch)|(?:spr[ai]\w+|telefoniert|Fragen|Rückfragen|Grüße|"
    r"Gruß|Rücksprache|Absprache|Termin|Anruf|Mail|Nachricht) (?:an|mit|von|bei))\s$"
)
_ACTS_AFTER = re.compile(
    r"\s(?:fragte?|sagte?|berichtete?|erklärte?|teilte?|bittet|bat|schreibt|schrieb|meinte?|meldete?|ruft|rief|"
    r"schlägt|schlug|antwortete?|erläuterte?|ergänzte?|dankte?|übernimmt|übernahm|möchte|says|said|asks|asked|"
    r"reports|reported|wrote|writes|called|explains|explained|confirmed|confirms|suggested|suggests|replied|"
    r"replies|answered|complained|proposed|agreed|mentioned)(?!\w)"
)
# Xyrik, Tuppe and Smith.
_LAW_FIRM = re.compile(rf"[{UPPER}][\w'-]+(?:,? and| &|-|,) $")
# In the protocol of a chat: at the beginning of a line, also after a time.
_SPEAKER = re.compile(
    r"(?:^|\n)[ \t>*]*(?:\[[^\]\n]{4,24}\]|[\d./-]{6,10},? \d{1,2}:\d\d(?::\d\d)?|\d{1,2}:\d\d(?::\d\d)?)?"
    r"[ \t]*[-–]?[ \t]*$"
)


@cache
def may_announce() -> frozenset[str]:
    """All words that a name may begin with or be announced by."""
    names = first_names()
    capitals = {name.upper() for name in names if len(name) > 2}
    return frozenset({*names, *capitals, *titles(), *roles(), *GREETINGS, *sure_surnames()})


def announced(text: str, start: int, word: str) -> Name | None:
    """The name that this word begins or announces."""
    after = start + len(word)
    if word in titles():
        return _titled(text, start, after_titles(text, after))
    if word in GREETINGS:
        return _greeted(text, after)
    if word in roles():
        following = NEXT_PART.match(text, after_titles(text, after))
        if following and following["word"] and "\n" not in following["gap"]:
            surname = following["word"]
            if is_surname(surname) and surname not in common_words():
                return read_name(text, following.start("word"), sure=True)
        if gender_of_first(word) is None:
            return None
    if gender_of_first(word) is None:
        if word not in sure_surnames():
            return None
        name = _after_unlisted(text, start, after)
        if name is None and word[1:].islower() and _acts(text, start, after):
            return Name(start, after, start)
        return name
    if text[start - 1 : start] == " " and CALLED_AFTER.search(text[max(start - 10, 0) : start]):
        return None
    name = _surname_first(text, start, after) or _full(text, start, word)
    if name is None and word[1:].islower():
        greeted = text[start - 1 : start] == " " and _GREETED_BEFORE.search(
            text[max(start - 8, 0) : start]
        )
        asked = word not in ambiguous_names() and _acts(text, start, after)
        return Name(start, after, start) if greeted or asked else None
    return name


def _acts(text: str, start: int, after: int) -> bool:
    """Whether a name that stands alone is somebody's who is asked or says something."""
    if NO_PERSON.match(text, after):
        return False
    if _LAW_FIRM.search(text[max(start - 40, 0) : start]):
        return False
    if text[after : after + 1] == ":":
        return _SPEAKER.search(text[max(start - 32, 0) : start]) is not None
    if _ACTS_AFTER.match(text, after):
        before = text[max(start - 12, 0) : start].split()
        return not before or before[-1].lower() not in articles()
    return _ASKED_BEFORE.search(text[max(start - 24, 0) : start]) is not None


def _after_unlisted(text: str, start: int, after: int) -> Name | None:
    """A frequent surname after a word that is a first name, as far as one can tell."""
    before = _UNLISTED_BEFORE.search(text[max(start - 40, 0) : start])
    if before is None or NO_PERSON.match(text, after):
        return None
    first = before["first"]
    if is_doubtful(first) or first in titles() or first in roles() or is_surname(first):
        return None
    if (before["before"] or "").lower() in articles():
        return None
    begin = start - (before.end() - before.start("first"))
    return Name(begin, without_ending(text, start, after), start)


def _titled(text: str, start: int, position: int) -> Name | None:
    following = NEXT_PART.match(text, position)
    if following is None:
        return None
    if following["word"] and is_common(following["word"]):
        # The woman, not Mrs: what follows an article is no title.
        before = text[max(start - 8, 0) : start].rsplit(None, 1)
        if before and before[-1].lower() in articles():
            return None
    return read_name(text, following.end("gap"), sure=True, titled=True)


def _greeted(text: str, position: int) -> Name | None:
    following = NEXT_PART.match(text, position)
    if following is None or not following["word"] or "\n" in following["gap"]:
        return None
    word, start = following["word"], following.start("word")
    if word in titles() or word in roles() or (is_common(word) and gender_of_first(word) is None):
        return None
    if gender_of_first(word) is None:
        ends = text[following.end() : following.end() + 1] in (",", "!", "\n", "")
        return Name(start, following.end(), start) if ends else None
    full = _full(text, start, word)
    return full if full is not None else Name(start, following.end(), start)


def _full(text: str, start: int, word: str) -> Name | None:
    """A first name and what follows of it: none without a surname."""
    name = read_name(text, start, sure=False)
    if name is None or name.last == start:
        return None
    parts = LETTERS.findall(text[name.start : name.end])
    last = parts[-1]
    in_capitals = word.isupper() and len(word) > 2
    if in_capitals != (last.isupper() and len(last) > 2):
        return None
    if (word.title() if in_capitals else word) in ambiguous_names():
        known = is_surname(last) and last not in common_words()
        return name if known or (len(parts) > 2 and not is_common(last)) else None
    return name


def _surname_first(text: str, start: int, after: int) -> Name | None:
    """Weißmüller, Jörg: at the beginning of a line, of a cell, of a text in quotes."""
    if text[start - 1 : start] != "," and text[max(start - 2, 0) : start] != ", ":
        return None
    # One more character, so that what is cut off is no beginning.
    before = _SURNAME_BEFORE.search(("\n" if start < 48 else "") + text[max(start - 48, 0) : start])
    if before is None:
        return None
    surname = before["name"].split(" ")[-1]
    if is_common(surname) or not surname.replace("-", "").isalpha():
        return None
    if gender_of_first(surname) is not None and not is_surname(surname):
        return None
    given = GIVEN_AFTER.match(text, after)
    if given is None:
        return None
    begin = start - (before.end() - before.start("name"))
    more = given[0].strip()
    if more and not gender_of_first(more) and len(more) > 2:
        # Two people, of whom this is the second one's first name.
        return None
    return Name(begin, given.end(), begin)

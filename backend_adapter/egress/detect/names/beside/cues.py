"""What stands directly beside a name, and so tells that there is one.

The words are lists in this package. `deeds_english.txt` and `deeds_german.txt` have what is done by, to or with
somebody; `spoken_to.txt` what is done to whoever follows; `role_stems.txt` what somebody is, without the endings of
their gender and case; `acts.txt` what a person does after their name; `between.txt` what stands between a name and
a value of the same person.
"""

import re

from backend_adapter.egress.detect.names.letters import UPPER
from backend_adapter.egress.detect.word_lists import lines


def _any_of(name: str) -> str:
    return "|".join(lines(__package__, name))


def _in_either_case(stem: str) -> str:
    return f"[{stem[0].upper()}{stem[0]}]{stem[1:]}"


_SPOKEN_TO = _any_of("spoken_to.txt")
_ROLE = (
    "(?:(?:[Kk]onto|[Kk]arten)?[Ii]nhaber|"
    + "|".join(_in_either_case(stem) for stem in lines(__package__, "role_stems.txt"))
    + ")(?:e|in|r|s)?"
)
ROLE_WORD = re.compile(f"{_ROLE}$")
# What a name stands after, at the end of a piece of text.
LEADS = re.compile(
    r"(?<!\w)(?:"
    rf"(?i:(?:{_any_of('deeds_english.txt')})\s(?:by|to|from|with|for|of)|(?:{_SPOKEN_TO})|signed,"
    r"|(?:wurden?|wird|worden)\s(?:von|durch))|"
    rf"(?:\w+(?:t|en)(?= (?:von|durch))|{_any_of('deeds_german.txt')})"
    r"(?:\s[a-zäöü]\w*){0,2}\s(?:an|von|mit|bei|durch|für)|gehört|"
    rf"{_ROLE}(?:\s(?:ist|war|heißt|hieß|lautet|wird|is|was)|,)?|"
    r"(?:heiße|heißt|named|I am|I'm|ich bin|my name is|mein Name ist|name is|namens))\s$"
)
# The last word of all that does so, in small letters.
LAST_OF_LEADS = frozenset(
    (
        "by", "to", "from", "with", "for", "of", "von", "durch", "an", "mit", "bei", "für",
        "gehört", "ist", "war", "heißt", "hieß", "lautet", "wird", "is", "was", "heiße", "named",
        "am", "i'm", "bin", "namens",
        *lines(__package__, "spoken_to.txt"),
    )
)  # fmt: skip
# What follows a name: a deed, the beginning of an address of mail, an age, a town.
FOLLOWS = re.compile(
    rf"\s(?:{_any_of('acts.txt')})(?!\w)|\s?[<(\[][\w.+-]+@"
    r"|,? \(?(?:geb\.|geboren|verh\.|verw\.|née|born|aged|Jahrgang|Jg\.|wohnhaft|\d{1,2} Jahre)(?!\w)"
    rf"|,? \(\d{{1,3}}\)|,? (?:aus|from|of) (?P<town>[{UPPER}][\w-]+)(?!\w)"
    rf"(?P<acts>(?: [{UPPER}][\w-]+)? (?:hat|ist|war|möchte|has|is|was)(?!\w))?"
    r"(?! (?:GmbH|AG|KG|Ltd|Inc))"
)
# What may stand between a name and a value of the same person.
BETWEEN = re.compile(
    r"[ \t]?(?:[,;:·|–(<\[/-]|,? \()?[ \t]{0,2}(?:\r?\n[ \t>]{0,8})?"
    rf"(?:(?:{_any_of('between.txt')})(?![\w-])[.:]{{0,2}}[ \t]{{0,2}}){{0,4}}[(<\[\"']{{0,2}}"
)
# Between two names of a list.
LISTED = re.compile(r"(?: \([^)\n]{1,30}\))?(?:[,;] (?:und |and )?| und | and | & |\n[-*•–] )")
# What stands before whoever speaks in the protocol of a chat: the time.
SPEAKS_AT = re.compile(
    r"(?:^|\n)[ \t]*(?:\[[^\]\n]{4,24}\]|[\d./-]{6,10},? \d{1,2}:\d\d(?::\d\d)?"
    r"|\d{1,2}:\d\d(?::\d\d)?)[ \t]*[-–:]?[ \t]*$"
)
# Before the name of whom they are about.
DOCUMENTS = frozenset(
    (
        "Kündigung", "Antrag", "Vertrag", "Mietvertrag", "Akte", "Personalakte", "Patientenakte",
        "Vollmacht", "Bewerbung", "Mahnung", "Fall", "Signed",
    )
)  # fmt: skip
# A first name that is a word besides is one after these, if what follows it is no word: with Rose Xyrik.
PREPOSITIONS = frozenset(
    (
        "von", "durch", "an", "bei", "für", "mit", "über", "laut", "gegen", "und",
        "by", "from", "to", "for", "with", "about", "against", "and", "regarding",
    )
)  # fmt: skip

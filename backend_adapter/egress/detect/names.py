# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""Recognises the names of people by a list of first names and by the words beside them: titles, greetings, closings.

No model and no download: what is found is what the words say. German nouns have capital letters too, so a word after
a first name is a surname only where it is none of them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from backend_adapter.egress.detect.hits import NAME, Hit
from backend_adapter.egress.detect.lexicon import (
    ambiguous_names,
    common_words,
    first_names,
    gender_of_first,
    is_common,
    is_doubtful,
    is_surname,
    is_surname_after_first,
    stop_words,
    surnames,
)
from backend_adapter.egress.detect.scan import Scan

_UPPER = "A-ZÀ-ÖØ-ÞĀ-Ž"
_WORD = re.compile(rf"[{_UPPER}](?<![\w@/.\\-].)(?:\w|['’](?=\w)|-(?=[{_UPPER}]))+(?![\w@])")
_NOBLE = "(?:Freiherr|Freifrau|Graf|Gräfin|Baron|Baronin|Prinz|Prinzessin|Ritter|Edler|Edle)"
# The next part of a name: after one blank, or in the next line.
_NEXT = re.compile(
    rf"(?P<gap>[ \t\u00a0]{{1,2}}|[ \t]?\r?\n[ \t]{{0,4}})(?:(?P<initial>[{_UPPER}](?:h)?\.(?:-?[{_UPPER}]\.)*)(?= ?[{_UPPER}])"
    rf"|(?P<word>(?!{_NOBLE} (?:von|zu) )[{_UPPER}](?:\w|['’](?=\w)|-(?=[{_UPPER}]))+)(?![\w@])"
    rf"|(?P<particle>(?:{_NOBLE} )?(?:von|van|vom|zu|zum|zur|de|del|della|di|da|dos|das|den|der|ten|ter|te|la|le|el|al|bin|ibn|af|av|y|e|und zu)(?= )))"
)
_FIRST_PART = re.compile(
    rf"(?:(?P<initial>[{_UPPER}](?:h)?\.(?:-?[{_UPPER}]\.)*)(?= ?[{_UPPER}])"
    rf"|(?P<word>(?!{_NOBLE} (?:von|zu) )[{_UPPER}](?:\w|['’](?=\w)|-(?=[{_UPPER}]))+)(?![\w@])"
    rf"|(?P<particle>(?:{_NOBLE} )?(?:von|van|vom|zu|zum|zur|de|del|della|di|da|dos|den|der|ten|ter|la|le|el|al|bin|ibn|Van|Von|De)(?= )))"
)
_AFTER_INITIAL = re.compile(" ?")
_PARTS, _MOST_TITLES = 5, 6

# After them comes a name, and nothing else.
TITLES: dict[str, Literal["f", "m", None]] = {
    "Herr": "m", "Herrn": "m", "Hr": "m", "Hrn": "m", "Frau": "f", "Fr": "f", "Fräulein": "f", "Mr": "m", "Mister": "m",
    "Mrs": "f", "Ms": "f", "Miss": "f", "Mx": None, "Dr": None, "Prof": None, "Professor": None, "Professorin": "f",
    "Doktor": None, "Familie": None, "Fam": None, "Eheleute": None, "Ehepaar": None, "Madame": "f", "Mme": "f",
    "Monsieur": "m", "Signor": "m", "Signora": "f", "Señor": "m", "Señora": "f", "Rechtsanwalt": "m", "Rechtsanwältin": "f",
    "Dipl": None, "Univ": None, "Ing": None, "Mag": None, "Kollege": "m", "Kollegen": "m", "Kollegin": "f", "Bürgermeister": "m",
    "Bürgermeisterin": "f", "Oberbürgermeister": "m", "Oberbürgermeisterin": "f", "Richterin": "f", "Pfarrer": "m",
    "Pfarrerin": "f", "Staatsanwalt": "m", "Staatsanwältin": "f", "Amtsleiter": "m", "Amtsleiterin": "f", "Stadtrat": "m",
    "Stadträtin": "f", "Zeuge": "m", "Zeugin": "f", "Kommissar": "m", "Kommissarin": "f", "Pastor": "m", "Pastorin": "f",
    "Justizrat": "m", "Tante": "f", "Onkel": "m", "Oma": "f", "Opa": "m", "Mayor": None, "Councillor": None, "Sergeant": None,
    "Inspector": None, "Aunt": "f", "Uncle": "m", "HERR": "m", "HERRN": "m", "FRAU": "f", "MR": "m", "MRS": "f", "DR": None,
    "PROF": None,
}  # fmt: skip
# After them may come a name: where it is a known one.
ROLES = frozenset(
    [
        "Kunde",
        "Kundin",
        "Patient",
        "Patientin",
        "Mieter",
        "Mieterin",
        "Mitarbeiter",
        "Mitarbeiterin",
        "Lehrer",
        "Lehrerin",
        "Sachbearbeiter",
        "Sachbearbeiterin",
        "Antragsteller",
        "Antragstellerin",
        "Geschäftsführer",
        "Geschäftsführerin",
        "Mandant",
        "Mandantin",
        "Kläger",
        "Klägerin",
        "Beklagter",
        "Beklagte",
        "Eigentümer",
        "Eigentümerin",
        "Hausmeister",
        "Arzt",
        "Ärztin",
        "Richter",
        "Direktor",
        "Direktorin",
        "Minister",
        "Ministerin",
        "Präsident",
        "Präsidentin",
        "Kanzler",
        "Nachbar",
        "Nachbarin",
        "Schwester",
        "Pfleger",
        "Leiter",
        "Leiterin",
        "Vorsitzender",
        "Vorsitzende",
        "Chef",
        "Chefin",
        "Trainer",
        "Trainerin",
        "Betreuer",
        "Betreuerin",
        "Bewerber",
        "Bewerberin",
        "Schüler",
        "Schülerin",
        "Student",
        "Studentin",
        "Senator",
        "Judge",
        "Officer",
        "President",
        "Governor",
        "Captain",
        "Manager",
        "Director",
        "Engineer",
        "Agent",
        "Customer",
        "Client",
        "Patient",
        "Tenant",
        "Employee",
        "Minister",
        "Secretary",
        "Nurse",
        "Coach",
        "Detective",
        "Abgeordneter",
        "Abgeordnete",
        "Notar",
        "Notarin",
        "Steuerberater",
        "Steuerberaterin",
    ]
)
# What else stands between a title and its name.
_MORE_TITLES = re.compile(
    r"(?:[ \t\u00a0]{1,2}|(?<=[.-]))(?:Dr|Prof|Dipl|Ing|Mag|med|jur|phil|rer|nat|pol|habil|h\. ?c|dent|vet|theol|oec|Univ|Herrn?|Frau|"
    r"Professor(?:in)?|Doktor|Rechtsanwalt|Rechtsanwältin|Bürgermeister(?:in)?|Oberbürgermeister(?:in)?|Pfarrer(?:in)?|Direktor(?:in)?|Kolleg(?:e|en|in)|"
    r"Minister(?:in)?|Staatsanwalt|Staatsanwältin|Präsident(?:in)?|Vorsitzende[rn]?|B\.? ?(?:Sc|A|Eng)|M\.? ?(?:Sc|A)|MBA|-?(?:Ing|Kfm|Inform|Psych|Phys|Biol|Volksw|Betriebsw|Päd))(?!\w)\.?"
)
GREETINGS = frozenset(
    ["Hallo", "Hi", "Hey", "Liebe", "Lieber", "Dear", "Hello", "Moin", "Servus", "Guten"]
)
# A firm, a school, a street: what stands before one of these was no person.
_NO_PERSON = re.compile(
    r"[ \u00a0-](?:&|und Söhne|und Partner|AG|GmbH|gGmbH|mbH|KG|KGaA|OHG|SE|UG|eG|e\. ?V|eV|GbR|Inc|Ltd|LLC|LLP|PLC|Corp|Co|Company|Group|"
    r"Gruppe|Stiftung|Verlag|Universität|University|Hochschule|Gymnasium|Schule|Grundschule|Realschule|Gesamtschule|Oberschule|Klinik|"
    r"Klinikum|Krankenhaus|Institut|Institute|Foundation|Preis|Award|Prize|Straße|Strasse|Str|(?:Platz|Allee|Weg|Ring|Ufer)(?= \d)|Stadion|Arena|"
    r"Halle|Museum|Haus|House|College|School|Hospital|Center|Centre|Street|Road|Avenue|Boulevard|Lane|Drive|Motors|Bank|Versicherung|"
    r"Versand|Werke|Holding|International|Deutschland|Bibliothek|Library|Archiv|Gesellschaft|Kirche|Church|Brücke|Bridge|Airport|"
    r"Park|Systems|Software|Technologies|Solutions|Consulting|Partners|Law)(?![\w])"
)
_SAINTS = re.compile(
    r"(?:St\.|Sankt|Saint|San|Santa|Santo|Stadt|Hotel|Firma|Fa\.|Gasthof|Café|Schiff|Orkan|Sturm|Projekt|Marke|Typ|Modell) ?$"
)
_ARTICLES = frozenset(
    [
        "der",
        "die",
        "das",
        "den",
        "dem",
        "des",
        "ein",
        "eine",
        "einen",
        "einem",
        "einer",
        "eines",
        "kein",
        "keine",
        "keinen",
        "am",
        "im",
        "zum",
        "zur",
        "vom",
        "beim",
        "ins",
        "the",
        "a",
        "an",
        "jeder",
        "jede",
        "dieser",
        "diese",
        "dieses",
        "diesen",
        "diesem",
        "pro",
        "per",
    ]
)
_PARTNER_BEFORE = re.compile(rf"(?<![\w-])(?P<first>[{_UPPER}][\w-]+) (?:und|and|&|u\.) $")
# What a surname that stands first begins after, and what follows the first name then.
_SURNAME_BEFORE = re.compile(
    rf"(?:[\n|;:\t(\"'`>•*–-][ \t]{{0,3}}|\n\d+[.)] )(?P<name>(?:(?:von|van|de|der|zu|vom|den) ){{0,2}}"
    rf"[{_UPPER}](?:\w|['’]|-(?=[{_UPPER}]))+), ?$"
)
_GIVEN_AFTER = re.compile(rf"(?: [{_UPPER}][\w-]+\.?)?(?=[ \t]*(?:[\n|;)\t\"'`<,./(–-]|$| \())")
# Two words before a surname: the second may be a first name.
_UNLISTED_BEFORE = re.compile(
    rf"(?:(?<!\w)(?P<before>\w+)[ \n])?(?<![\w.-])(?P<first>[{_UPPER}][a-zà-öø-ÿāčćđęěğılłńőřśšșțůűýžź]{{2,}}) $"
)
_TITLE_AT = re.compile(
    r"(?:(?:Herrn?|Frau|Fr\.|Hr\.|Mrs?|Ms|Miss|Dr|Prof|Univ|Dipl|Ing|Mag|Familie)(?!\w)\.?(?:-(?:Ing|Kfm|Inform|Psych)\.)?[ \t\u00a0]{0,2}){1,6}"
)
_UPPERCASE = re.compile(rf"[{_UPPER}]")
_COMMA_GIVEN = re.compile(rf", ?(?=[{_UPPER}])")
_LETTERS = re.compile(r"[^\W\d_][\w’'-]*")
_INITIAL_BEFORE = re.compile(rf"(?<!\w)[{_UPPER}]\. ?$")
_GREETED_BEFORE = re.compile(r"(?<!\w)(?:hallo|hi|hey|liebe|lieber|dear|hello|moin|servus) $")
_ASKED_BEFORE = re.compile(
    r"(?<!\w)(?:(?:asked|told|emailed|thanked|reminded|invited|ask|tell|remind|informed|notified|phoned)|(?:reported|created|signed|written|approved|sent|"
    r"assigned|forwarded|talked|spoke|speak|talk) (?:by|to|with|from)|(?:\w+(?:t|en)) (?:von|durch)|(?:spr[ai]\w+|telefoniert|Fragen|Rückfragen|Grüße|"
    r"Gruß|Rücksprache|Absprache|Termin|Anruf|Mail|Nachricht) (?:an|mit|von|bei))\s$"
)
_ACTS_AFTER = re.compile(
    r"\s(?:fragte?|sagte?|berichtete?|erklärte?|teilte?|bittet|bat|schreibt|schrieb|meinte?|meldete?|ruft|rief|schlägt|schlug|antwortete?|erläuterte?|"
    r"ergänzte?|dankte?|übernimmt|übernahm|möchte|says|said|asks|asked|reports|reported|wrote|writes|called|explains|explained|confirmed|confirms|"
    r"suggested|suggests|replied|replies|answered|complained|proposed|agreed|mentioned)(?!\w)"
)
# Xyrik, Tuppe and Smith.
_LAW_FIRM = re.compile(rf"[{_UPPER}][\w'-]+(?:,? and| &|-|,) $")
# In the protocol of a chat: at the beginning of a line, also after a time.
_SPEAKER = re.compile(
    r"(?:^|\n)[ \t>*]*(?:\[[^\]\n]{4,24}\]|[\d./-]{6,10},? \d{1,2}:\d\d(?::\d\d)?|\d{1,2}:\d\d(?::\d\d)?)?[ \t]*[-–]?[ \t]*$"
)
_MAIL_OF_PERSON = re.compile(r"([^\W\d_]{3,})[._]([^\W\d_]{3,})(?:\d{0,4}|\+[\w-]+)@")
_UMLAUTS = {"Ae": "Ä", "ae": "ä", "Oe": "Ö", "oe": "ö", "Ue": "Ü", "ue": "ü"}
# Those say nothing by themselves.
_WORDS_AND_SURNAMES = frozenset(
    [
        "Koch",
        "Bauer",
        "Richter",
        "Schneider",
        "Fischer",
        "König",
        "Kaiser",
        "Winter",
        "Sommer",
        "Stein",
        "Berg",
        "Wolf",
        "Vogel",
        "Fuchs",
        "Jäger",
        "Graf",
        "Horn",
        "Engel",
        "Busch",
        "Bach",
        "Brand",
        "Stahl",
        "Sturm",
        "Stock",
        "Kern",
        "Herbst",
        "Herzog",
        "Ritter",
        "Blank",
        "Block",
        "Link",
        "Reich",
        "Bischoff",
        "Bishop",
        "Young",
        "Long",
        "Little",
        "White",
        "Black",
        "Green",
        "Brown",
        "Gray",
        "Hill",
        "Wood",
        "Woods",
        "Stone",
        "Rice",
        "Cook",
        "Baker",
        "Carpenter",
        "Porter",
        "Hunter",
        "Fisher",
        "Knight",
        "Bell",
        "Day",
        "King",
        "Price",
        "Ward",
        "West",
        "Rose",
        "Groß",
        "Klein",
        "Lang",
        "Lange",
        "Kurz",
        "Jung",
        "Weiß",
        "Schwarz",
        "Braun",
        "Roth",
        "Sauer",
        "Scharf",
        "Stark",
        "Schön",
        "Fröhlich",
        "Freund",
        "Mann",
        "Meister",
        "Müllner",
        "Schuster",
        "Schreiber",
        "Schreiner",
        "Zimmer",
        "Zimmermann",
        "Kaufmann",
        "Schütz",
        "Schütze",
        "Jordan",
        "Grant",
        "Ford",
        "Marshall",
        "Foster",
        "Parker",
        "Turner",
        "Walker",
        "Taylor",
        "Carter",
        "Cooper",
        "Mills",
        "Wells",
        "Fields",
        "Ray",
        "Dean",
        "Warren",
        "Franklin",
        "Lincoln",
        "Austin",
        "Jackson",
        "Washington",
        "Hamilton",
        "Marx",
        "Metzger",
        "Förster",
        "Köster",
        "Küster",
        "Probst",
        "Vogt",
        "Krieger",
        "Krone",
        "Krause",
        "Kluge",
        "Hammer",
        "Nagel",
        "Löffler",
        "Singer",
        "Springer",
        "Maurer",
        "Binder",
        "Reiter",
        "Wirth",
        "Adler",
        "Hahn",
        "Hirsch",
        "Kraus",
        "Link",
        "Holz",
        "Wahl",
        "Will",
        "Witt",
        "Rau",
        "Ruf",
        "Ernst",
        "Frank",
        "Otto",
        "Martin",
        "Simon",
        "Roman",
        "Costa",
        "Romano",
        "Leone",
        "Silva",
        "Santos",
        "Blanco",
        "Rubio",
        "Gil",
        "Baran",
        "Can",
        "Kara",
        "Kaya",
        "Bulut",
        "Baum",
        "Bader",
        "Bock",
        "Buck",
        "Barth",
        "Brandt",
        "Heller",
        "Hummel",
        "Kiss",
        "Lane",
        "Park",
        "Choi",
        "Abbott",
        "Barber",
        "Brewer",
        "Fuller",
        "Gardner",
        "Weaver",
        "Wheeler",
        "Day",
        "Power",
        "Powell",
        "Bond",
        "Case",
        "Cross",
        "Field",
        "Glass",
        "Mason",
        "Page",
    ]
)
# Ends of surnames that no noun has, after which an s is a genitive's.
_GENITIVE_STEMS = ("mann", "müller", "mueller", "meier", "meyer", "maier", "mayer", "bauer", "berger", "berg", "stein", "huber",
                   "schmidt", "schmid", "ski", "czyk", "wski", "hardt", "ner", "ler", "dorf", "bach", "ow", "witz", "vic", "ić")  # fmt: skip

_CLOSING = re.compile(
    r"(?:Gr(?:ü|ue)(?:ß|ss)en?|Hochachtungsvoll|MfG|mfg|LG|VG|BG|[Rr]egards|[Ss]incerely|[Ff]aithfully|[Tt]ruly|[Bb]est wishes|"
    r"Cheers|[Tt]hanks|Thank you|Dank|Best|[Ii]m Auftrag|Gruß|Yours)(?: aus [A-ZÄÖÜ]\w+)?(?:[,!.]?[ \t]*(?:\r?\n[ \t>]*){1,4}|, ?| (?=[A-ZÄÖÜ]))"
    r"(?:(?:i\. ?A\.|i\. ?V\.|gez\.|Ihre?|Deine?|Eure?|ppa\.|Im Auftrag)[ \t]*(?:\r?\n[ \t>]*){0,3})?"
)
_SIGNED = re.compile(
    r"(?<!\w)(?:i\. ?A\.|i\. ?V\.|gez\.|ppa\.|signed|Signed(?: by)?:?|Unterzeichnet(?: von)?:?|geb\.|geborene|née)[ \t\n]{1,3}(?=[A-ZÀ-ÖØ-ÞĀ-Ž])"
)
_LINE_END = re.compile(
    r"(?:,? (?:B\.? ?(?:Sc|A|Eng)|M\.? ?(?:Sc|A|Eng)|LL\. ?[BM]|MBA|MD|DDS|DVM|PhD|Ph\.D|Jr|Sr|II|III|IV)\.?)*[ \t]*(?:[,.]?[ \t]*(?:\r?\n|$)|\(|[-–|/])"
)


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


def gender_of(name: str) -> Literal["f", "m", None]:
    """The gender that a name is of: by its title, else by its first name; None where neither tells."""
    title, _, _rest = name.strip().partition(" ")
    if (by_title := TITLES.get(title.rstrip("."))) is not None:
        return by_title
    _surname, comma, given = name.partition(",")
    words = _LETTERS.findall(given if comma and given.strip() else name)
    for word in words[:3]:
        if (by_title := TITLES.get(word)) is not None:
            return by_title
        gender = gender_of_first(word)
        if gender is not None:
            return None if gender == "u" else gender
    return None


def people(scan: Scan, told: Sequence[Hit] = ()) -> Iterator[Hit]:
    """All names in a text, those of firms and streets left out; and again those that fields or neighbours have told."""
    text = scan.text
    words = [(match.start(), match[0]) for match in _WORD.finditer(text)]
    known = _known()
    found: list[Name] = []
    until = 0
    for start, word in words:
        if start < until or (word not in known and "-" not in word):
            continue
        name = _begins(text, start, word)
        if name is not None:
            found += _with_partner(text, name, word, start)
            until = name.end
    found += _signed(text)
    for name in found:
        yield Hit(name.start, name.end, "PERSON", NAME)
    yield from _again(text, words, found, told)


def name_at(text: str, start: int, end: int) -> Name | None:
    """The name that begins exactly here, where a label says that there is one: even a single word."""
    titled = _TITLE_AT.match(text, start, end)
    begin = _after_titles(text, titled.end()) if titled else start
    if titled and text[begin : begin + 1] == " ":
        begin += 1
    name = _read(text, begin, sure=True, titled=titled is not None)
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
        rest = _read(text, given.end(), sure=True)
        if (
            rest is not None
            and rest.end <= end
            and gender_of_first(text[rest.last : rest.end])
            and _GIVEN_AFTER.match(text, rest.end)
        ):
            return Name(name.start, rest.end, name.last)
    return name


@cache
def _known() -> frozenset[str]:
    """All words that a name may begin with or be announced by."""
    names = first_names()
    capitals = {name.upper() for name in names if len(name) > 2}
    return frozenset({*names, *capitals, *TITLES, *ROLES, *GREETINGS, *_sure_surnames()})


@cache
def _sure_surnames() -> frozenset[str]:
    """Surnames that are no words besides."""
    return surnames() - common_words() - _WORDS_AND_SURNAMES


def _begins(text: str, start: int, word: str) -> Name | None:
    """The name that this word begins or announces."""
    after = start + len(word)
    if word in TITLES:
        return _titled(text, start, _after_titles(text, after))
    if word in GREETINGS:
        return _greeted(text, after)
    if word in ROLES:
        following = _NEXT.match(text, _after_titles(text, after))
        if following and following["word"] and "\n" not in following["gap"]:
            surname = following["word"]
            if is_surname(surname) and surname not in common_words():
                return _read(text, following.start("word"), sure=True)
        if gender_of_first(word) is None:
            return None
    if gender_of_first(word) is None:
        if word not in _sure_surnames():
            return None
        name = _after_unlisted(text, start, after)
        if name is None and word[1:].islower() and _acts(text, start, after):
            return Name(start, after, start)
        return name
    if text[start - 1 : start] == " " and _SAINTS.search(text[max(start - 10, 0) : start]):
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
    if _NO_PERSON.match(text, after):
        return False
    if _LAW_FIRM.search(text[max(start - 40, 0) : start]):
        return False
    if text[after : after + 1] == ":":
        return _SPEAKER.search(text[max(start - 32, 0) : start]) is not None
    if _ACTS_AFTER.match(text, after):
        before = text[max(start - 12, 0) : start].split()
        return not before or before[-1].lower() not in _ARTICLES
    return _ASKED_BEFORE.search(text[max(start - 24, 0) : start]) is not None


def _after_unlisted(text: str, start: int, after: int) -> Name | None:
    """A frequent surname after a word that is a first name, as far as one can tell."""
    before = _UNLISTED_BEFORE.search(text[max(start - 40, 0) : start])
    if before is None or _NO_PERSON.match(text, after):
        return None
    first = before["first"]
    if is_doubtful(first) or first in TITLES or first in ROLES or is_surname(first):
        return None
    if (before["before"] or "").lower() in _ARTICLES:
        return None
    begin = start - (before.end() - before.start("first"))
    return Name(begin, _without_ending(text, start, after), start)


def _after_titles(text: str, position: int) -> int:
    if text[position : position + 1] == ".":
        position += 1
    for _ in range(_MOST_TITLES):
        match = _MORE_TITLES.match(text, position)
        if match is None:
            break
        position = match.end()
    return position


def _titled(text: str, start: int, position: int) -> Name | None:
    following = _NEXT.match(text, position)
    if following is None:
        return None
    if following["word"] and is_common(following["word"]):
        # The woman, not Mrs: what follows an article is no title.
        before = text[max(start - 8, 0) : start].rsplit(None, 1)
        if before and before[-1].lower() in _ARTICLES:
            return None
    return _read(text, following.end("gap"), sure=True, titled=True)


def _greeted(text: str, position: int) -> Name | None:
    following = _NEXT.match(text, position)
    if following is None or not following["word"] or "\n" in following["gap"]:
        return None
    word, start = following["word"], following.start("word")
    if word in TITLES or word in ROLES or (is_common(word) and gender_of_first(word) is None):
        return None
    if gender_of_first(word) is None:
        ends = text[following.end() : following.end() + 1] in (",", "!", "\n", "")
        return Name(start, following.end(), start) if ends else None
    full = _full(text, start, word)
    return full if full is not None else Name(start, following.end(), start)


def _full(text: str, start: int, word: str) -> Name | None:
    """A first name and what follows of it: none without a surname."""
    name = _read(text, start, sure=False)
    if name is None or name.last == start:
        return None
    parts = _LETTERS.findall(text[name.start : name.end])
    last = parts[-1]
    in_capitals = word.isupper() and len(word) > 2
    if in_capitals != (last.isupper() and len(last) > 2):
        return None
    if (word.title() if in_capitals else word) in ambiguous_names():
        known = is_surname(last) and last not in common_words()
        return name if known or (len(parts) > 2 and not is_common(last)) else None
    return name


def _read(text: str, start: int, *, sure: bool, titled: bool = False) -> Name | None:
    """Reads a name from here on; `sure` where something says that there is one, so that a word alone may be it.

    After a title it is one even if it has the form of a noun.
    """
    read: _Read | None = None
    match = _FIRST_PART.match(text, start)
    position = start
    while match is not None and (read is None or read.words < _PARTS):
        begin = match.start("word") if match["word"] else match.end() - len(_part(match))
        if match["word"]:
            if position > start and _NO_PERSON.match(text, position):
                return None
            if not _may_follow(text, match, read, sure=sure, titled=titled):
                break
            read = read or _Read(start, start, start)
            read.words += 1
            first = gender_of_first(match["word"]) is not None
            read.firsts += first
            # The last of several first names may be the surname: Peter Hans.
            read.done = not first
            read.last, read.end = begin, match.end("word")
            if read.firsts and not first and _without_ending(text, begin, read.end) < read.end:
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
            position = _AFTER_INITIAL.match(text, position).end()  # type: ignore[union-attr]
            following = _FIRST_PART.match(text, position)
            match = following
        else:
            match = _NEXT.match(text, position)
    if read is None or read.words == 0 or _NO_PERSON.match(text, read.end):
        return None
    return Name(read.start, _without_ending(text, read.last, read.end), read.last)


def _part(match: re.Match[str]) -> str:
    return match["initial"] or match["particle"] or ""


def _may_follow(
    text: str, match: re.Match[str], read: _Read | None, *, sure: bool, titled: bool
) -> bool:
    word = match["word"]
    if titled:
        is_noun = word in stop_words() or word in ROLES
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
    if word in TITLES or (
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


def _without_ending(text: str, start: int, end: int) -> int:
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
    given = _GIVEN_AFTER.match(text, after)
    if given is None:
        return None
    begin = start - (before.end() - before.start("name"))
    more = given[0].strip()
    if more and not gender_of_first(more) and len(more) > 2:
        # Two people, of whom this is the second one's first name.
        return None
    return Name(begin, given.end(), begin)


def _with_partner(text: str, name: Name, word: str, start: int) -> list[Name]:
    """Anna und Peter Müller: the first of them too."""
    before = (
        _PARTNER_BEFORE.search(text[max(name.start - 40, 0) : name.start])
        if text[max(name.start - 2, 0) : name.start] in ("d ", "& ", ". ")
        else None
    )
    if before and name.last > name.start and gender_of_first(before["first"]):
        begin = name.start - (len(before[0]))
        return [Name(begin, begin + len(before["first"]), begin), name]
    return [name]


def _signed(text: str) -> Iterator[Name]:
    for match in _CLOSING.finditer(text):
        name = name_at(text, match.end(), min(match.end() + 80, len(text)))
        if name and (_LINE_END.match(text, name.end) or "\n" not in match[0]):
            single = name.last == name.start
            word = text[name.start : name.end]
            if "\n" in match[0] or gender_of_first(word.split(" ")[0]) or not single:
                yield name
    for match in _SIGNED.finditer(text):
        if name := name_at(text, match.end(), min(match.end() + 80, len(text))):
            yield name


def _again(
    text: str, words: list[tuple[int, str]], found: list[Name], told: Sequence[Hit]
) -> Iterator[Hit]:
    """The surnames and first names of those found, where they stand alone."""
    parts: set[str] = set()
    for hit in told:
        # The field of a form has a name for certain, but the word may be another one elsewhere.
        value = text[hit.start : hit.end]
        parts.update(
            part
            for part in (_of_mail(value) if hit.category == "EMAIL" else _LETTERS.findall(value))
            if len(part) > 2
            and part[0].isupper()
            and not is_common(part)
            and part not in _WORDS_AND_SURNAMES
            and part not in ambiguous_names()
        )
    for name in found:
        for part in _LETTERS.findall(text[name.start : name.end]):
            if (
                len(part) > 2
                and part[0].isupper()
                and part not in common_words()
                and part not in ambiguous_names()
            ):
                parts.add(part)
    if not parts:
        return
    covered = sorted([*found, *(Name(hit.start, hit.end, hit.start) for hit in told)])
    place = 0
    for start, word in words:
        while place < len(covered) and covered[place].end <= start:
            place += 1
        if place < len(covered) and covered[place].start <= start:
            continue
        bare = word[:-2] if word[-2:] in ("'s", "’s") else word
        if bare not in parts:
            if bare[-1:] != "s" or bare[:-1] not in parts:
                continue
            bare = bare[:-1]
        after = start + len(bare)
        before = text[max(start - 10, 0) : start]
        last = before.rsplit(None, 1)[-1].lower() if before.strip() else ""
        if last in _ARTICLES or _SAINTS.search(before) or _NO_PERSON.match(text, after):
            continue
        initial = _INITIAL_BEFORE.search(before)
        begin = start - len(initial[0]) if initial else start
        yield Hit(begin, after, "PERSON", NAME - 5)


def _of_mail(address: str) -> list[str]:
    """First name and surname as an address of mail such as anna.mueller@… has them; none where it has something else."""
    match = _MAIL_OF_PERSON.match(address)
    words = [word.capitalize() for word in match.groups()] if match else []
    if any(is_common(word) or word.lower() == "reply" for word in words):
        return []
    umlauts = [re.sub("[AaOoUu]e", lambda two: _UMLAUTS[two[0]], word) for word in words]
    return [*words, *umlauts]


def _word_at(text: str, position: int) -> str:
    match = _FIRST_PART.match(text, position)
    return (match["word"] or "") if match else ""

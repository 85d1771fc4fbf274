# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""Recognises names that nobody listed by what stands directly beside them: whoever has an address, a telephone or an age.

Two words with capital letters in a row are a name where somebody reports, is asked, lives or was born there. A
verb of speech, a preposition after a deed, a role, or another value that was recognised already says so.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

from backend_adapter.egress.detect.hits import NAME, Hit
from backend_adapter.egress.detect.names.announced import GREETINGS
from backend_adapter.egress.detect.names.lexicon import (
    gender_of_first,
    is_common,
    is_doubtful,
    roles,
    stop_words,
    titles,
    towns,
)

_UPPER = "A-ZÀ-ÖØ-ÞĀ-Ž"
_PART = rf"[{_UPPER}](?:[^\W\d_]|['’](?=\w)|-(?=[{_UPPER}]))+"
_PARTICLE = (
    r"(?:von|van|vom|zu|zum|zur|de|del|della|di|da|dos|den|der|ten|ter|la|al|el|bin|ibn|af|av)"
)
_RUN = re.compile(
    rf"[{_UPPER}](?<![\w@/.\\-].)(?<!\w['’].)(?:\.|(?:[^\W\d_]|['’](?=\w)|-(?=[{_UPPER}]))+)"
    rf"(?:(?: (?:(?:{_PARTICLE} ){{0,2}}{_PART}|[{_UPPER}]\.(?= ))){{1,4}}|\r?\n[ \t>]{{0,4}}{_PART}(?! [{_UPPER}]))(?![\w@])(?!\.\w)"
)
_WORDS = re.compile(rf"{_PART}|[{_UPPER}]\.|{_PARTICLE}")

# A deed and who did it; whoever is spoken to; a document and whom it is for.
_DONE = (
    "reported|created|written|signed|taken|prepared|approved|assigned|sent|forwarded|submitted|filed|requested|raised|opened|closed|"
    "handled|led|chaired|represented|owned|managed|hosted|accompanied|reviewed|confirmed|booked|called|contacted|delivered|issued|"
    "given|handed|paid|addressed|registered|updated|verified|witnessed|seen|caused|driven|rented|spoke|spoken|talked|met|speak|talk|"
    "belongs|belonging|according|thanks|call|message|letter|email|mail|note|question|questions|complaint|request|reply|regards|login|logon|password|session|account|policy|claim|ticket|appointment|details|behalf|record|logged|interview|meeting|case|"
    "application|contract|lease|invoice|receipt|copy|presence|payment|transfer|refund|granted|owed|sold|belonged|taught|shared|married|engaged"
)
_TOLD = (
    "asked|told|emailed|informed|thanked|met|notified|reminded|invited|interviewed|ask|tell|call|called|contact|contacted|email|"
    "phoned|remind|inform|notify|invite|meet|asking|telling|calling|contacting|visited|treated|examined|sued|hired|named"
)
_GETAN = (
    r"\w+(?:t|en)(?= (?:von|durch))|Fragen|Rückfragen|Anfragen?|Grüße|Gruß|Dank|Termin|Gespräch|Telefonat|Rücksprache|Auskunft|Kopie|Absprache|E-?Mail|"
    "Mail|Brief|Schreiben|Nachricht|Anruf|Beschwerde|Antrag|Meldung|Hinweis|Vertretung|Vollmacht|Rechnung|Mahnung|Zahlung|Überweisung|Konto|"
    "Wohnung|Haus|Auto|Wagen|Adresse|Anschrift|Daten|Akte|Vertrag|Unterschrift|Bericht|Protokoll|Übergabe|sprach|spricht|sprechen|"
    r"gesprochen|telefoniert|wendet|wenden|geht|ging|gehen|gesendet|geschickt|übergeben|weitergeleitet|zugewiesen|vermietet|verkauft|gehört|zusammen|verheiratet|verlobt|befreundet|verwandt"
)
_ROLE = (
    "(?:[Kk]onto|[Kk]arten)?[Ii]nhaber|[Hh]alter|[Ee]igentümer|[Mm]ieter|[Vv]ermieter|[Ff]ahrer|[Bb]esitzer|[Aa]nsprechpartner|[Zz]eug|[Kk]und|"
    "[Pp]atient|[Mm]elder|[Aa]ntragsteller|[Nn]achfolger|[Vv]ertreter|[Vv]orsitzende|[Ll]eiter|[Aa]utor|[Nn]achbar|[Aa]rchitekt|[Bb]auherr|[Kk]läger|"
    "[Bb]eklagte|[Tt]ochter|[Ss]ohn|[Mm]utter|[Vv]ater|[Ee]hefrau|[Ee]hemann|[Bb]ruder|[Ss]chwester|[Pp]erson|[Nn]ame|[Uu]ser|[Bb]enutzer|[Nn]utzer|[Oo]wner|[Hh]older|[Dd]river|"
    "[Tt]enant|[Aa]uthor|[Cc]ontact|[Mm]anager|[Cc]hair|[Ww]itness|[Cc]ustomer|[Aa]pplicant|[Cc]laimant|[Pp]laintiff|[Dd]efendant|[Ww]ife|[Hh]usband|"
    "[Dd]aughter|[Ss]on|[Mm]other|[Ff]ather|[Bb]rother|[Ss]ister|[Cc]olleague|[Nn]eighbou?r|[Ee]mployee|[Ll]andlord|[Aa]rchitect"
)
_BEFORE = re.compile(
    rf"(?<!\w)(?:(?i:(?:{_DONE})\s(?:by|to|from|with|for|of)|(?:{_TOLD})|signed,|(?:wurden?|wird|worden)\s(?:von|durch))|"
    rf"(?:{_GETAN})(?:\s[a-zäöü]\w*){{0,2}}\s(?:an|von|mit|bei|durch|für)|gehört|"
    rf"(?:{_ROLE})(?:e|in|r|s)?(?:\s(?:ist|war|heißt|hieß|lautet|wird|is|was)|,)?|"
    r"(?:heiße|heißt|named|I am|I'm|ich bin|my name is|mein Name ist|name is|namens))\s$"
)
_LEADING = frozenset(
    (
        "by|to|from|with|for|of|von|durch|an|mit|bei|für|gehört|ist|war|heißt|hieß|lautet|wird|is|was|heiße|named|am|i'm|bin|namens|"
        + _TOLD
    ).split("|")
)
_ROLE_WORD = re.compile(rf"(?:{_ROLE})(?:e|in|r|s)?$")
_SPEECH = (
    "klären|besprechen|abstimmen|sprechen|reden|vereinbaren|absprechen|telefonieren|fragt|fragte|sagt|sagte|berichtet|berichtete|erklärt|erklärte|teilt|teilte|bittet|bat|schreibt|schrieb|meint|meinte|meldet|meldete|ruft|rief|"
    "beantragt|beantragte|beschwert|widerspricht|widersprach|schlägt|schlug|stellt|stellte|informiert|informierte|bedankt|bestätigt|bestätigte|"
    "antwortet|antwortete|erläutert|erläuterte|ergänzt|ergänzte|weist|wies|dankt|dankte|übernimmt|übernahm|möchte|wohnt|wohnte|hält|arbeitet|"
    "says|said|asks|asked|reports|reported|wrote|writes|called|calls|explains|explained|confirmed|confirms|suggested|suggests|told|replied|"
    "replies|answered|noted|notes|complained|complains|proposed|proposes|mentioned|thanked|agreed|agrees|objected|lives|lived|works|worked|"
    "requested|requests|wants|wanted|moved|seconded|phoned|emailed|lehnt|lehnte|fordert|forderte|verlangt|verlangte|leitet|leitete|vertritt|vertrat|"
    "unterschrieb|unterzeichnet|unterzeichnete|zog|besucht|besuchte|beantwortet|eröffnet|eröffnete|begrüßt|begrüßte|verweist|verwies|regt|regte|hat (?:sich|angerufen|"
    "gefragt|geschrieben|gemeldet|gesagt|berichtet|beantragt|gekündigt|bezahlt)|paid|owns|rents|received|visited|signed|filed|submitted|joined|resigned|chaired|opened|"
    "has (?:been|asked|called|paid|written|reported|complained|moved|not)|presented|presents|welcomed|thanks|objects"
)
_AFTER = re.compile(
    rf"\s(?:{_SPEECH})(?!\w)|\s?[<(\[][\w.+-]+@|,? \(?(?:geb\.|geboren|verh\.|verw\.|née|born|aged|Jahrgang|Jg\.|wohnhaft|\d{{1,2}} Jahre)(?!\w)"
    rf"|,? \(\d{{1,3}}\)|,? (?:aus|from|of) (?P<town>[{_UPPER}][\w-]+)(?!\w)(?P<acts>(?: [{_UPPER}][\w-]+)? (?:hat|ist|war|möchte|has|is|was)(?!\w))?(?! (?:GmbH|AG|KG|Ltd|Inc))"
)
# What may stand between a name and a value of the same person.
_GAP = re.compile(
    r"[ \t]?(?:[,;:·|–(<\[/-]|,? \()?[ \t]{0,2}(?:\r?\n[ \t>]{0,8})?(?:(?:geb|geboren|geborene|am|born|on|dob|Geburtsdatum|wohnhaft|wohnt|"
    r"wohnend|in|living|lives|residing|resident|of|at|under|unter|Tel|Telefon|Telefonnr|Mobil|Handy|[Pp]hone|[Mm]obile|[Cc]ell|[Tt]el|Fax|"
    r"Durchwahl|E-?[Mm]ail|[Mm]ail|email|erreichbar|Anschrift|Adresse|[Aa]ddress|DOB|SSN|IBAN|Konto|Steuer-ID|zuletzt|jetzt|born|her|his|und|and|who|the)"
    r"(?![\w-])[.:]{0,2}[ \t]{0,2}){0,4}[(<\[\"']{0,2}"
)
_TELLING = frozenset(
    {"EMAIL", "PHONE", "ADDRESS", "BIRTH_DATE", "IBAN", "US_SSN", "DE_TAX_ID", "DE_SOCIAL_SECURITY"}
)
_LONGEST_GAP = 48
# Before the name of whom they are about.
_DOCUMENTS = frozenset(
    [
        "Kündigung",
        "Antrag",
        "Vertrag",
        "Mietvertrag",
        "Akte",
        "Personalakte",
        "Patientenakte",
        "Vollmacht",
        "Bewerbung",
        "Mahnung",
        "Fall",
        "Signed",
    ]
)
# A first name that is a word besides is one after these, if what follows it is no word: with Rose Xyrik.
_PREPOSITIONS = frozenset(
    [
        "von",
        "durch",
        "an",
        "bei",
        "für",
        "mit",
        "über",
        "laut",
        "gegen",
        "und",
        "by",
        "from",
        "to",
        "for",
        "with",
        "about",
        "against",
        "and",
        "regarding",
    ]
)
_QUOTES = "'\"„“‚‘«»*_`("
_LISTED = re.compile(r"(?: \([^)\n]{1,30}\))?(?:[,;] (?:und |and )?| und | and | & |\n[-*•–] )")
_CHAT = re.compile(
    r"(?:^|\n)[ \t]*(?:\[[^\]\n]{4,24}\]|[\d./-]{6,10},? \d{1,2}:\d\d(?::\d\d)?|\d{1,2}:\d\d(?::\d\d)?)[ \t]*[-–:]?[ \t]*$"
)
# What firms, offices and houses are called.
_NO_PERSON = re.compile(
    r"(?:werke?|betriebe?|bau|handel|verwaltung|technik|services?|dienste?|verein|zentrum|praxis|apotheke|bäckerei|fleischerei|restaurant|"
    r"café|hotel|gasthaus|gasthof|agentur|sparkasse|kanzlei|planung|büro|amt|schule|klinik|museum|bank|versicherung|logistik|druck|media|"
    r"systems?|solutions|kasse|verlag|stiftung|gesellschaft|genossenschaft|bahnhof|halle|platz|straße|park|center|centre|institute?|group|"
    r"gruppe|partners?|store|shop|market|airlines?|motors|software|cloud|university|college|hospital|city|county|geräte|möbel|reisen)$",
    re.IGNORECASE,
)
_FIRM = re.compile(
    r"[ \u00a0,-]{1,2}(?:&|und Söhne|und Partner|AG|GmbH|gGmbH|mbH|KG|KGaA|OHG|SE|UG|eG|e\. ?V|eV|GbR|Inc|Ltd|LLC|LLP|PLC|Corp|Co)(?!\w)"
)


def names_beside(text: str, hits: Sequence[Hit]) -> Iterator[Hit]:
    """Names beside what tells of a person; `hits` were found in the text before."""
    starts = sorted(hit.start for hit in hits if hit.category in _TELLING)
    ends = {hit.end for hit in hits if hit.category in _TELLING}
    runs = [match.span() for match in _RUN.finditer(text)]
    told: dict[int, tuple[int, int]] = {}
    for place, (start, end) in enumerate(runs):
        # What stands beside it is looked at first: that is quicker than to look up the words.
        in_brackets = start - 2 in ends and text[start - 2 : start] + text[end : end + 1] == " ()"
        if (in_brackets or _is_told(text, start, end, starts) or _follows_role(text, start)) and (
            name := _name(text, start, end)
        ):
            told[place] = name
    for place in [*told]:
        for step in (-1, 1):
            _with_others(text, runs, told, place, step)
    for start, end in told.values():
        yield Hit(start, end, "PERSON", NAME + 1)


def _follows_role(text: str, start: int) -> bool:
    end = text.find(" ", start, start + 24)
    word = text[start:end].rstrip(".") if end > 0 else ""
    return (
        word in roles()
        or word in GREETINGS
        or word in _DOCUMENTS
        or _ROLE_WORD.fullmatch(word) is not None
    )


def _name(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where in a row of words a name is, if one may be there."""
    if _FIRM.match(text, end):
        return None
    words = [(one.start(), one[0]) for one in _WORDS.finditer(text, start, end)]
    words = words[_first_of_name(words) :]
    name = [word for _, word in words if word[0].isupper() and len(word) > 2]
    if len(words) < 2 or not name or not _may_be_name(name):
        return None
    return words[0][0], _without_s(text, end)


def _with_others(
    text: str,
    runs: list[tuple[int, int]],
    told: dict[int, tuple[int, int]],
    place: int,
    step: Literal[-1, 1],
) -> None:
    """Adds to those that are told the ones that stand in a list with one of them, before or after it."""
    while 0 <= (other := place + step) < len(runs) and other not in told:
        left, right = min(place, other), max(place, other)
        if not _LISTED.fullmatch(text, runs[left][1], runs[right][0]):
            return
        name = _name(text, *runs[other])
        if name is None:
            return
        told[other] = name
        place = other


def _first_of_name(words: list[tuple[int, str]]) -> int:
    """Which word of a row the name may begin with: not a role, a noun, or what a sentence begins with."""
    first = 0
    while first < len(words) - 1:
        word = words[first][1]
        if not (
            word in roles()
            or word in titles()
            or word in GREETINGS
            or word in stop_words()
            or _ROLE_WORD.fullmatch(word)
            or (word[0].isupper() and len(word) > 2 and is_common(word))
        ):
            break
        first += 1
    return first


def _may_be_name(words: list[str]) -> bool:
    if (
        any(word in stop_words() or _NO_PERSON.search(word) for word in words)
        or words[-1].isupper()
    ):
        return False
    if gender_of_first(words[0]) is not None:
        return True
    return not is_doubtful(words[0]) and not any(is_common(word) for word in words)


def _is_told(text: str, start: int, end: int, starts: list[int]) -> bool:
    before = text[max(start - 40, 0) : start].rstrip(_QUOTES)
    # Most words lead to nobody; only after these is the rest of the line looked at.
    last = before.rsplit(None, 1)[-1].lower() if before[-1:].isspace() and before.strip() else ""
    if (last in _LEADING or last.endswith(",") or _ROLE_WORD.fullmatch(last)) and _BEFORE.search(
        before
    ):
        return True
    if last in _PREPOSITIONS:
        words = text[start:end].split()
        if (
            gender_of_first(words[0])
            and not is_doubtful(words[-1])
            and not _NO_PERSON.search(words[-1])
        ):
            return True
    if (after := _AFTER.match(text, end)) and (
        after["town"] is None or after["acts"] or after["town"] in towns()
    ):
        return True
    if text[end : end + 1] == ":" and _CHAT.search(text[max(start - 32, 0) : start]):
        return True
    place = bisect_left(starts, end)
    if place == len(starts) or starts[place] - end > _LONGEST_GAP or starts[place] == end:
        return False
    gap = text[end : starts[place]]
    if not _GAP.fullmatch(gap) or not gap.strip(" "):
        return False
    if gap.lstrip(" \t")[:1] in ("\r", "\n"):
        # The line above an address is a name's if there is nothing else in it.
        return text[max(start - 1, 0) : start].strip(" ") in ("", "\n", ">") and not text[
            text.rfind("\n", 0, start) + 1 : start
        ].strip(" \t>")
    return True


def _without_s(text: str, end: int) -> int:
    return end - 2 if text[end - 2 : end] in ("'s", "’s") else end

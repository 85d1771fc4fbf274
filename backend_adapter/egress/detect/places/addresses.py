# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""Recognises where somebody lives: a street with a number, German, American or British, and its town beside it.

Sources: DIN 5008 (how a German address is written), USPS Publication 28 appendices B and C1 (states and suffixes of
streets), Royal Mail's Postcode Address File (form of a postcode).
"""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import SHAPED, Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import View

_HOMES = Words(
    "wohnhaft",
    "wohnt in",
    "wohnort",
    "anschrift",
    "adresse",
    "wohnsitz",
    "lives at",
    "lives in",
    "address",
)
# Words that a street of any name may follow.
_LEADS = Words("wohn", "anschrift", "adresse", "grundstück", "objekt", "gemeldet")
WORDS = (_HOMES, _LEADS)

_CAPITAL = "A-ZÄÖÜÀ-ÖØ-Þ"
_HOUSE = r"\d{1,4}(?: ?[a-zA-Z](?!\w))?(?: ?[-–/+] ?\d{1,4}(?: ?[a-z](?!\w))?)?(?!\w)"
# What a number counts when it is that of no house.
_COUNTED = (
    r"(?! ?(?:%|€|°|Uhr|km|m|Euro|EUR|Minuten|Stunden|Tage|Meter|Prozent|Stück|Mal|Jahre|Personen|Plätze)(?!\w))"
    r"(?!\.? ?(?:Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)(?!\w))(?![.,:]\d)"
)
_TOWN = (
    rf"(?:(?:Bad|Sankt|St\.|Markt|Stadt|Hansestadt|Lutherstadt|Kurort|Ostseebad|Nordseebad|Seebad|Flecken|Schwäbisch|Bayerisch|Deutsch|Hessisch|Preußisch|Wendisch|Königs|Burg|Schloss|Hann\.|Groß|Klein|Neu|Alt|Hohen|Ober|Nieder|Unter)[ -])?"
    rf"[{_CAPITAL}][\w-]{{1,40}}+(?:\.[\w-]+)*(?:/[{_CAPITAL}]\w+)?(?:[ -](?:am|an der|a\. ?d\.|a\.|ob der|o\. ?d\.|bei|b\.|in der|i\. ?d\.|i\.|im|in|vor der|vor dem|vorm|v\. ?d\.|unterm|"
    rf"unter|zu|auf dem|auf der|auf) ?[{_CAPITAL}][\w-]+)?(?: \([{_CAPITAL}][\w. -]{{1,24}}\))?(?: (?:[IVX]{{1,4}}|\d{{1,2}})(?!\w))?"
)
_POSTAL = rf"(?:(?:D|DE)[- ]?)?\d{{5}}(?!\d) {{1,2}}{_TOWN}|(?:(?:A|AT|CH)[- ]?)?\d{{4}}(?!\d) {{1,2}}{_TOWN}"
_BETWEEN = r"[ \t]{0,2}(?:,|;|\||·|•|–|-|/)?[ \t]{0,2}(?:\r?\n[ \t>|]{0,8})?"
_TAIL = re.compile(rf"{_BETWEEN}(?<=[\s,;|·•/–-])(?:{_POSTAL})")

# Begin where a street's name ends: with a word of this kind, whether part of a longer one or not.
_STREET = re.compile(
    r"(?:straße|strasse|Straße|Strasse|STRASSE|STRAẞE|STRAßE|str\.|Str\.|str|Str|weg|Weg|WEG|allee|Allee|ALLEE|platz|Platz|PLATZ|gasse|"
    r"Gasse|GASSE|ring|Ring|damm|Damm|ufer|Ufer|chaussee|Chaussee|steig|Steig|stieg|Stieg|pfad|Pfad|promenade|Promenade|"
    rf"twiete|zeile|Zeile|gäßchen|gässchen|gäßle|kai|Kai)(?:[ \t]{{1,2}}|(?<=\.))(?P<house>{_HOUSE}){_COUNTED}"
)
# Straße des 17. Juni 135, Platz der Republik 1.
_OF = re.compile(
    rf"(?<!\w)(?:Straße|Strasse|Platz|Allee|Weg|Ring|Ufer|Promenade) (?:der|des|am|an der|zum|zur|im|von) "
    rf"(?:\d{{1,2}}\. )?[{_CAPITAL}][\w-]+(?: [{_CAPITAL}][\w-]+)? {_HOUSE}{_COUNTED}"
)
_ADJECTIVE = "(?:Alte|Neue|Große|Kleine|Obere|Untere|Hintere|Vordere|Lange|Kurze|Breite|Hohe|Äußere|Innere|Mittlere|Grüne|Schöne)"
# What its name may begin with, where its kind is a part of the last word, and where it is a word of its own.
_ADJECTIVES = re.compile(rf"(?<![\w-]){_ADJECTIVE}[rn]? $")
_WORDS_BEFORE = re.compile(
    rf"(?<![\w-])(?:(?:[{_CAPITAL}][\w'’]*\.?)(?:[ -](?:von|vom|zum|zur|der|den|dem|de|la))?[ -]){{0,3}}"
    rf"[{_CAPITAL}][\w'’-]*\.?[ -]$"
)
_OF_A_NAME = frozenset(".'’-")
# Those are in every text, and nobody lives there.
_NO_STREETS = re.compile(
    r"(?:Park|Arbeits|Stell|Sitz|Spiel|Listen|Tabellen|Lager|Steh|Studien|Ausbildungs|Kita|Liege|Lade|Camping|Sport|"
    r"Speicher|Liste|Rang|Start|Zelt|Büro|Praktikums|Betreuungs|Pflege)platz$|"
    r"(?:Rad|Rechts|Post|Dienst|Lebens|Bildungs|Lösungs|Um|Heim|Arbeits|Brems|Rettungs|Aus|Flucht|Liefer|Verfahrens|"
    r"Mittel|Transport|Fuß|Geh|Zahlungs|Beschwerde|Übertragungs|Beförderungs)weg$|"
    r"(?:Fertigungs|Produktions|Montage|Wasch|Daten|Transfer|Förder)(?:straße|str\.?)$|"
    r"(?:Bürger|Geh|Fahr|Auf|An|Ein|Aus)steig$|(?:Ober|Menü|Datei|Kopf|Fuß|Tabellen|Betreff|Leer)zeile$|"
    r"^(?:He|Dichtungs|Schlüssel|Bo|Ab|Ve|Sp|Gering|Kleine|Ge|Engineer|Monito|St|Manufactu|Clea|Du|B|M|Sca|Cate|Cente)?ring$|"
    r"(?:Engineering|Monitoring|Controlling|Sponsoring|Clustering|Rendering|Scoring|Refactoring|Filtering|Factoring|String)$"
    r"|^(?:Platz|Weg|Ring|Zeile|Kai|Damm|Ufer|Pfad|Steig|Stieg|Straße|Str\.?|Strasse|Gasse|Allee)$"
)
# A word that leads to a street and is none of its name.
_LEADING = re.compile(
    r"(?:(?:(?:Liefer|Rechnungs|Wohn|Post|Melde|Haus)(?:adresse|anschrift)|Adresse|Anschrift|Wohnhaft|Wohnung|Straße|Objekt|Standort|Haus|Gebäude|Grundstück|Herr|Herrn|Frau|Familie|"
    r"In der|In die|In|Der|Die|Das|Den|Auf der|Aus der|Zur|Meine|Unsere|Seine|Ihre|Neue Adresse|Wohnt)[ :]+)+"
)

# A line of any name and number, above or before the line of its town: Am Markt 5, 01067 Dresden.
_POSTAL_LINE = re.compile(rf"\d(?<![\w./-].)\d{{4}}(?!\d) {{1,2}}{_TOWN}")
_LINE_BEFORE = re.compile(
    rf"(?<![\w-])(?:[{_CAPITAL}][\w.'’-]*(?: (?:[{_CAPITAL}][\w.'’-]*|der|den|dem|des|am|an|im|in|auf|zum|zur|von|vom|den|de|la|du)){{0,4}})"
    rf" {_HOUSE}{_BETWEEN}(?:(?:D|DE)[- ]?)?$"
)
# Of any name, where a word says that somebody lives there: wohnt Am Alten Markt 5.
_AT_HOME = re.compile(
    rf"(?<!\w)(?:(?:[Ww]ohn(?:haft|t|te|en|end|e|ung|sitz|ort)|(?:\w{{0,12}}[Aa])nschrift|Anschrift|(?:\w{{0,12}}a|A)dresse|Grundstück|Objekt|gemeldet|Hausanschrift|Straße)"
    rf"(?:[:,]? (?:ist|lautet|in|der|die|jetzt|nun|zuletzt|derzeit|unter|seit|\d{{1,2}}\.\d{{1,2}}\.\d{{4}}|neu|ab|sofort|befindet|sich|liegt)){{0,3}}:?[ \n])"
    rf"(?P<street>(?:(?:Am|An|An der|An den|Auf dem|Auf der|Im|In den|In der|Zum|Zur|Zu den|Unter den|Unter der|Hinter dem|Hinter der|Vor dem|Beim|Bei der) )?"
    rf"(?!Jahr|Nummer|Nr|Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Montag|Seite|Blatt|Flur|Wohnung|Haus|Anlage|Absatz|Top|Kapitel)"
    rf"[{_CAPITAL}][\w-]{{2,}}(?: [{_CAPITAL}][\w-]{{2,}})? {_HOUSE}){_COUNTED}"
)
_BOX = re.compile(
    rf"(?<!\w)(?:Postfach|P\.? ?O\.? ?Box) \d[\d ]{{0,9}}\d?(?:{_BETWEEN}(?<=[\s,])(?:{_POSTAL}))?"
)

_STATE = (
    "(?:A[AEKLPRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|T[NX]|"
    "UT|V[AIT]|W[AIVY])"
)
_CERTAIN = (
    "Street|Avenue|Road|Boulevard|Lane|Drive|Court|Place|Square|Terrace|Parkway|Highway|Circle|Crescent|Close|Mews|"
    "Turnpike|Expressway|Freeway|Causeway|St|Ave|Rd|Blvd|Ln|Dr|Ct|Pl|Sq|Ter|Pkwy|Hwy|Cir"
)
_POSSIBLE = (
    "Alley|Annex|Arcade|Bayou|Beach|Bend|Bluffs?|Bottom|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape|Centers?|Centre|Circles|Cliffs?|"
    "Club|Commons?|Corners?|Course|Courts|Coves?|Creek|Crest|Crossing|Crossroads?|Curve|Dale|Dam|Divide|Drives|Estates?|"
    "Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Gardens?|Gateway|Glens?|Greens?|Groves?|"
    "Harbors?|Haven|Heights|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land|Landing|Lights?|"
    "Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mill|Mills|Mission|Motorway|Mount|Mountains?|Neck|Orchard|Oval|"
    "Overpass|Parks?|Parkways|Pass|Passage|Path|Pike|Pines?|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp|Ranch|"
    "Rapids?|Rest|Ridges?|River|Roads|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Squares|Station|"
    "Stravenue|Stream|Streets|Summit|Throughway|Trace|Track|Trafficway|Trail|Tunnel|Underpass|Unions?|Valleys?|Viaduct|"
    "Views?|Villages?|Ville|Vista|Walks?|Wall|Ways?|Wells?"
)
_UNIT = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|#)\.? ?#?[\w-]{1,6})"
_ZIP = rf"[,\s]{{1,3}}(?:[{_CAPITAL}][\w.'-]+ ?){{1,4}},? {_STATE} \d{{5}}(?:-\d{{4}})?(?!\d)"
_POSTCODE = rf"(?:[,\s]{{1,3}}[{_CAPITAL}][\w'-]+(?: [{_CAPITAL}][\w'-]+){{0,2}}){{0,3}}[,\s]{{1,3}}[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}(?!\w)"
_ENGLISH = re.compile(
    rf"(?:(?:Flat|Unit|Apartment) \d{{1,4}}[A-Z]?, )?(?P<house>\d(?<![\w.,/#:-].)\d{{0,5}}[A-Za-z]?) (?:(?:[NSEW]|North|South|East|West|NE|NW|SE|SW)\.? )?"
    rf"(?:(?:[{_CAPITAL}][\w.'’-]*|\d{{1,3}}(?:st|nd|rd|th)) ){{1,4}}?"
    rf"(?:(?P<certain>(?:{_CERTAIN})(?![\w])\.?)|(?P<possible>(?:{_POSSIBLE})(?!\w)))(?: (?:[NSEW]|NE|NW|SE|SW)(?!\w)\.?)?"
    rf"(?P<unit>{_UNIT})?(?P<tail>{_ZIP}|{_POSTCODE})?"
)
# Addresses of the United States' forces.
_FORCES = re.compile(
    r"(?:(?:PSC|Unit|CMR) \d{1,5},? Box \d{1,5}|(?:USNS|USS|USNV|USCGC) \w+)[,\s]{1,3}(?:APO|FPO|DPO),? A[AEP] \d{5}(?:-\d{4})?"
)


def addresses(scan: Scan) -> Iterator[Hit]:
    """All addresses in a text."""
    view = scan.digits
    if view is None:
        return
    yield from _streets(view)
    yield from _above_towns(scan, view)
    for pattern in (_OF, _BOX, _FORCES):
        for match in pattern.finditer(view.text):
            end = match.end()
            if pattern is _OF and (tail := _TAIL.match(view.text, end)):
                end = tail.end()
            yield _hit(view, match.start(), end)
    homes = scan.near(_LEADS)
    for match in _AT_HOME.finditer(homes.text) if homes else ():
        if homes is None:
            return
        tail = _TAIL.match(homes.text, match.end())
        yield _hit(homes, match.start("street"), tail.end() if tail else match.end())
    for match in _ENGLISH.finditer(view.text):
        if _is_english(match):
            yield _hit(view, match.start(), match.end())


def _streets(view: View) -> Iterator[Hit]:
    text = view.text
    for match in _STREET.finditer(text):
        start = match.start()
        before = text[max(start - 60, 0) : start]
        if before[-1:] in (" ", "-", "\t") and match[0][0].isupper():
            words = _WORDS_BEFORE.search(before)
            begin = start - len(words[0]) if words else start
        else:
            begin = _begin_of_word(text, start)
            if not text[begin].isupper():
                continue
            if adjective := _ADJECTIVES.search(text, max(begin - 10, 0), begin):
                begin = adjective.start()
        if leading := _LEADING.match(text, begin, start):
            begin = leading.end()
        street = text[begin : match.start("house")].strip()
        tail = _TAIL.match(text, match.end())
        if not tail and (_NO_STREETS.search(street) or re.fullmatch(r"\d{4}|0+", match["house"])):
            continue
        yield _hit(view, begin, tail.end() if tail else match.end())


def _begin_of_word(text: str, end: int) -> int:
    begin = end
    while begin > max(end - 48, 0) and (text[begin - 1].isalnum() or text[begin - 1] in _OF_A_NAME):
        begin -= 1
    return begin


def _above_towns(scan: Scan, view: View) -> Iterator[Hit]:
    text = view.text
    for match in _POSTAL_LINE.finditer(text):
        before = _LINE_BEFORE.search(text[max(match.start() - 80, 0) : match.start()])
        if before:
            begin = match.start() - len(before[0])
            leading = _LEADING.match(text, begin, match.start())
            yield _hit(view, leading.end() if leading else begin, match.end())
        elif scan.occurrences.label(_HOMES, view.at(match.start())) or _is_home(
            text, match.start()
        ):
            yield _hit(view, match.start(), match.end())


def _is_home(text: str, start: int) -> bool:
    return (
        re.search(r"(?:wohnhaft|wohnt) (?:in|zu) $", text[max(start - 20, 0) : start]) is not None
    )


def _is_english(match: re.Match[str]) -> bool:
    if match["tail"] or match["unit"]:
        return True
    house = match["house"]
    if match["certain"]:
        # A Dr. or a St. stands before a name as well; 2024 Main Street is rarer than the year.
        return (
            match["certain"] not in ("Dr", "Dr.", "St", "Pl", "Ct", "Sq")
            or match[0].count(" ") >= 2
        )
    return len(house) >= 3 and not re.fullmatch(r"(?:19|20)\d\d", house)


def _hit(view: View, start: int, end: int) -> Hit:
    begin = view.at(start)
    return Hit(begin, begin + end - start, "ADDRESS", SHAPED + 5)

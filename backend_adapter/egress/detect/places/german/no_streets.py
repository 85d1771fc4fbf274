"""Words that end like the name of a street, where nobody lives: a car park, a legal remedy, a header."""

import re

_PLACES = (
    "Park", "Arbeits", "Stell", "Sitz", "Spiel", "Listen", "Tabellen", "Lager", "Steh", "Studien",
    "Ausbildungs", "Kita", "Liege", "Lade", "Camping", "Sport", "Speicher", "Liste", "Rang",
    "Start", "Zelt", "Büro", "Praktikums", "Betreuungs", "Pflege",
)  # fmt: skip
_WAYS = (
    "Rad", "Rechts", "Post", "Dienst", "Lebens", "Bildungs", "Lösungs", "Um", "Heim", "Arbeits",
    "Brems", "Rettungs", "Aus", "Flucht", "Liefer", "Verfahrens", "Mittel", "Transport", "Fuß",
    "Geh", "Zahlungs", "Beschwerde", "Übertragungs", "Beförderungs",
)  # fmt: skip
_LINES = ("Fertigungs", "Produktions", "Montage", "Wasch", "Daten", "Transfer", "Förder")
_STEPS = ("Bürger", "Geh", "Fahr", "Auf", "An", "Ein", "Aus")
_ROWS = ("Ober", "Menü", "Datei", "Kopf", "Fuß", "Tabellen", "Betreff", "Leer")
# With -ring, German and English words: Hering, Engineering.
_RINGS = (
    "He", "Dichtungs", "Schlüssel", "Bo", "Ab", "Ve", "Sp", "Gering", "Kleine", "Ge", "Engineer",
    "Monito", "St", "Manufactu", "Clea", "Du", "B", "M", "Sca", "Cate", "Cente",
)  # fmt: skip
_ENGLISH = (
    "Engineering", "Monitoring", "Controlling", "Sponsoring", "Clustering", "Rendering", "Scoring",
    "Refactoring", "Filtering", "Factoring", "String",
)  # fmt: skip
# The kind of a street alone is no name of one.
_KINDS = (
    "Platz", "Weg", "Ring", "Zeile", "Kai", "Damm", "Ufer", "Pfad", "Steig", "Stieg", "Straße",
    r"Str\.?", "Strasse", "Gasse", "Allee",
)  # fmt: skip
NO_STREET = re.compile(
    rf"(?:{'|'.join(_PLACES)})platz$|(?:{'|'.join(_WAYS)})weg$|"
    rf"(?:{'|'.join(_LINES)})(?:straße|str\.?)$|"
    rf"(?:{'|'.join(_STEPS)})steig$|(?:{'|'.join(_ROWS)})zeile$|"
    rf"^(?:{'|'.join(_RINGS)})?ring$|(?:{'|'.join(_ENGLISH)})$|^(?:{'|'.join(_KINDS)})$"
)

"""The words that lead to an address and are no part of it."""

import re

_WORDS = (
    "Adresse", "Anschrift", "Wohnhaft", "Wohnung", "Straße", "Objekt", "Standort", "Haus",
    "Gebäude", "Grundstück", "Herr", "Herrn", "Frau", "Familie", "In der", "In die", "In", "Der",
    "Die", "Das", "Den", "Auf der", "Aus der", "Zur", "Meine", "Unsere", "Seine", "Ihre",
    "Neue Adresse", "Wohnt",
)  # fmt: skip
LEADING = re.compile(
    r"(?:(?:(?:Liefer|Rechnungs|Wohn|Post|Melde|Haus)(?:adresse|anschrift)|"
    rf"{'|'.join(_WORDS)})[ :]+)+"
)

"""Tells the names of firms, houses and places from those of people by the words beside them or within."""

import re

_LEGAL_FORMS = (
    r"&|und Söhne|und Partner|AG|GmbH|gGmbH|mbH|KG|KGaA|OHG|SE|UG|eG|e\. ?V|eV|GbR|"
    r"Inc|Ltd|LLC|LLP|PLC|Corp|Co"
)
# A firm, a school, a street: what stands before one of these was no person.
NO_PERSON = re.compile(
    rf"[ \u00a0-](?:{_LEGAL_FORMS}|Company|Group|"
    r"Gruppe|Stiftung|Verlag|Universität|University|Hochschule|Gymnasium|Schule|Grundschule|Realschule|"
    r"Gesamtschule|Oberschule|Klinik|Klinikum|Krankenhaus|Institut|Institute|Foundation|Preis|Award|Prize|"
    r"Straße|Strasse|Str|(?:Platz|Allee|Weg|Ring|Ufer)(?= \d)|Stadion|Arena|Halle|Museum|Haus|House|College|"
    r"School|Hospital|Center|Centre|Street|Road|Avenue|Boulevard|Lane|Drive|Motors|Bank|Versicherung|"
    r"Versand|Werke|Holding|International|Deutschland|Bibliothek|Library|Archiv|Gesellschaft|Kirche|Church|"
    r"Brücke|Bridge|Airport|Park|Systems|Software|Technologies|Solutions|Consulting|Partners|Law)(?![\w])"
)
# The firm that the words before it are the name of.
FIRM = re.compile(rf"[ \u00a0,-]{{1,2}}(?:{_LEGAL_FORMS})(?!\w)")
# What firms, offices and houses are called.
FIRM_WORD = re.compile(
    r"(?:werke?|betriebe?|bau|handel|verwaltung|technik|services?|dienste?|verein|zentrum|praxis|apotheke|"
    r"bäckerei|fleischerei|restaurant|café|hotel|gasthaus|gasthof|agentur|sparkasse|kanzlei|planung|büro|amt|"
    r"schule|klinik|museum|bank|versicherung|logistik|druck|media|systems?|solutions|kasse|verlag|stiftung|"
    r"gesellschaft|genossenschaft|bahnhof|halle|platz|straße|park|center|centre|institute?|group|gruppe|"
    r"partners?|store|shop|market|airlines?|motors|software|cloud|university|college|hospital|city|county|"
    r"geräte|möbel|reisen)$",
    re.IGNORECASE,
)
# What is called after a person.
CALLED_AFTER = re.compile(
    r"(?:St\.|Sankt|Saint|San|Santa|Santo|Stadt|Hotel|Firma|Fa\.|Gasthof|Café|Schiff|Orkan|Sturm|Projekt|Marke|"
    r"Typ|Modell) ?$"
)

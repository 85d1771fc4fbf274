"""What a report of receipts says, in German and in English."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from backend_adapter.egress.receipts.record import Action
from backend_adapter.egress.settings import Trust

Language: TypeAlias = Literal["de", "en"]


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts of a report; {} stands for what is filled in."""

    title: str
    chat: str
    without_chat: str
    period: str
    head: str
    made: str
    nothing: str
    page: str
    total: str
    columns: tuple[str, ...]
    by_category: str
    category_columns: tuple[str, ...]
    by_destination: str
    destination_columns: tuple[str, ...]
    trust: Mapping[Trust, str]
    action: Mapping[Action, str]


ENGLISH = Words(
    title="What left the site",
    chat="Chat",
    without_chat="Requests that belong to no chat",
    period="From {} to {}: {} receipts",
    head="Last receipt of the whole chain when this was made: {}:{}",
    made="Made on {}. All times are in UTC.",
    nothing="There are no receipts for this selection.",
    page="Page",
    total="Total",
    columns=(
        "No.", "Time", "User", "Task", "Model", "Destination", "What was done", "Policy line", "Class",
        "Values protected", "Passages", "Body (SHA-256)",
    ),
    by_category="Values protected, by category",
    category_columns=("Category", "Values"),
    by_destination="By destination",
    destination_columns=("Destination", "Site", "Run by", "Requests", "Passages", "Values protected", "Bytes sent"),
    trust={"site": "this site", "partner": "partner", "public": "public"},
    action={
        "send": "sent",
        "pseudonymise": "sent with pseudonyms",
        "on_site": "answered on site",
        "refuse": "refused",
    },
)  # fmt: skip

GERMAN = Words(
    title="Was das Haus verlassen hat",
    chat="Chat",
    without_chat="Anfragen, die zu keinem Chat gehören",
    period="Von {} bis {}: {} Belege",
    head="Letzter Beleg der ganzen Kette bei der Erstellung: {}:{}",
    made="Erstellt am {}. Alle Zeiten in UTC.",
    nothing="Zu dieser Auswahl gibt es keine Belege.",
    page="Seite",
    total="Summe",
    columns=(
        "Nr.", "Zeit", "Benutzer", "Aufgabe", "Modell", "Ziel", "Was geschah", "Zeile der Richtlinie",
        "Klasse", "Geschützte Werte", "Passagen", "Inhalt (SHA-256)",
    ),
    by_category="Geschützte Werte nach Kategorie",
    category_columns=("Kategorie", "Werte"),
    by_destination="Nach Ziel",
    destination_columns=(
        "Ziel", "Standort", "Betreiber", "Anfragen", "Passagen", "Geschützte Werte", "Gesendete Bytes",
    ),
    trust={"site": "eigenes Haus", "partner": "Partner", "public": "öffentlich"},
    action={
        "send": "gesendet",
        "pseudonymise": "mit Pseudonymen gesendet",
        "on_site": "im Haus beantwortet",
        "refuse": "verweigert",
    },
)  # fmt: skip

WORDS: Mapping[Language, Words] = {"de": GERMAN, "en": ENGLISH}

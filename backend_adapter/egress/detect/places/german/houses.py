"""The number of a house, and what tells it from a number that counts something."""

from backend_adapter.egress.months import GERMAN_NOUNS

HOUSE = r"\d{1,4}(?: ?[a-zA-Z](?!\w))?(?: ?[-–/+] ?\d{1,4}(?: ?[a-z](?!\w))?)?(?!\w)"
_UNITS = (
    "%", "€", "°", "Uhr", "km", "m", "Euro", "EUR", "Minuten", "Stunden", "Tage", "Meter",
    "Prozent", "Stück", "Mal", "Jahre", "Personen", "Plätze",
)  # fmt: skip
# What a number does not stand before if it is that of a house.
NOT_COUNTED = (
    rf"(?! ?(?:{'|'.join(_UNITS)})(?!\w))(?!\.? ?(?:{'|'.join(GERMAN_NOUNS)})(?!\w))(?![.,:]\d)"
)

"""The number of a house, and what tells it from a number that counts something."""

HOUSE = r"\d{1,4}(?: ?[a-zA-Z](?!\w))?(?: ?[-–/+] ?\d{1,4}(?: ?[a-z](?!\w))?)?(?!\w)"
_UNITS = (
    "%", "€", "°", "Uhr", "km", "m", "Euro", "EUR", "Minuten", "Stunden", "Tage", "Meter",
    "Prozent", "Stück", "Mal", "Jahre", "Personen", "Plätze",
)  # fmt: skip
_MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
    "November", "Dezember",
)  # fmt: skip
# What a number does not stand before if it is that of a house.
NOT_COUNTED = (
    rf"(?! ?(?:{'|'.join(_UNITS)})(?!\w))(?!\.? ?(?:{'|'.join(_MONTHS)})(?!\w))(?![.,:]\d)"
)

"""Meetings of the council and its committees, with the resolutions the minutes tell of."""

from datetime import date, timedelta
from random import Random
from typing import Any

COUNCIL = "Rat"
COMMITTEES = {
    "Hauptausschuss": (1, 13),
    "Finanzausschuss": (2, 11),
    "Bau- und Umweltausschuss": (3, 13),
    "Ausschuss für Soziales, Schule und Sport": (4, 11),
}
# Votes as they stand in documents/oeffentlich/rat/niederschrift-*.pdf.
MINUTES: dict[date, tuple[int, tuple[tuple[int, int, str, int, int, int], ...]]] = {
    date(2025, 11, 20): (
        25,
        (
            (3, 20, "Hebesätze für das Jahr 2026", 15, 9, 2),
            (4, 60, "Sanierung des Freibads Wetteaue", 19, 5, 2),
            (5, 40, "Neubau einer Kindertagesstätte im Mühlenviertel", 26, 0, 0),
        ),
    ),
    date(2026, 3, 19): (
        24,
        (
            (3, 32, "Tempo 30 auf der Lindenstraße", 16, 8, 1),
            (4, 37, "Beschaffung eines Löschfahrzeugs", 25, 0, 0),
            (5, 33, "Bürgerterminal im Rathaus", 22, 3, 0),
        ),
    ),
}
# April 2026 is a week later, because of the Easter holidays.
MOVED = {date(2026, 4, 16): date(2026, 4, 23)}

Row = tuple[Any, ...]


def council_rows(random: Random, titles: list[str]) -> tuple[list[Row], list[Row]]:
    meetings: list[Row] = []
    resolutions: list[Row] = []
    for held, body in sorted(_calendar()):
        members = 26 if body == COUNCIL else COMMITTEES[body][1]
        fixed = MINUTES.get(held) if body == COUNCIL else None
        present = fixed[0] if fixed else members - random.randrange(0, 4)
        place = "Ratssaal" if body == COUNCIL else random.choice(("Ratssaal", "Sitzungszimmer 2"))
        meetings.append((len(meetings) + 1, body, held.isoformat(), place, present))
        decided = fixed[1] if fixed else _decisions(random, titles, present, body)
        for item, department, title, yes, no, abstained in decided:
            outcome = "angenommen" if yes > no else "abgelehnt"
            votes = (yes, no, abstained, outcome)
            head = (len(resolutions) + 1, len(meetings), department, item, title)
            resolutions.append((*head, *votes))
    return meetings, resolutions


def _calendar() -> list[tuple[date, str]]:
    """The council on the third Thursday, each committee on a Thursday or the Tuesday before."""
    days: list[tuple[date, str]] = []
    for year in (2025, 2026):
        for month in range(1, 13 if year == 2025 else 11):
            if month in (7, 8):
                continue
            first = date(year, month, 1)
            thursday = first + timedelta(days=(3 - first.weekday()) % 7)
            regular = thursday + timedelta(weeks=2)
            days.append((MOVED.get(regular, regular), COUNCIL))
            for body, (week, _) in COMMITTEES.items():
                if (month + week) % 2:
                    days.append((thursday + timedelta(weeks=week - 1, days=-2), body))
    return days


def _decisions(
    random: Random, titles: list[str], present: int, body: str
) -> list[tuple[int, int, str, int, int, int]]:
    voters = present + (body == COUNCIL)
    decided = []
    for item, title in enumerate(random.sample(titles, random.randrange(2, 4)), start=3):
        no = random.choice((0, 0, random.randrange(voters)))
        abstained = random.randrange(min(4, voters - no + 1))
        department = random.choice((10, 20, 30, 32, 40, 60, 70))
        decided.append((item, department, title, voters - no - abstained, no, abstained))
    return decided

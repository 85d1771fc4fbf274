# ruff: noqa: E501 - texts are read as a whole
"""Names that nobody listed are recognised by what stands beside them, and two capital letters in a row are none by themselves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend_adapter.egress.detect.detectors import Detectors


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors()


def names(detectors: Detectors, text: str) -> list[str]:
    return [each.value for each in detectors.find(text) if each.category == "PERSON"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Reported by Xolani Dlamuka yesterday", ["Xolani Dlamuka"]),
        ("we asked Xolani Dlamuka to wait", ["Xolani Dlamuka"]),
        ("Der Antrag wurde von Xolani Dlamuka gestellt.", ["Xolani Dlamuka"]),
        ("Das Auto gehört Xolani Dlamuka.", ["Xolani Dlamuka"]),
        ("Halter ist\nXolani Dlamuka, Röhrweg 3", ["Xolani Dlamuka"]),
        ("Gestern sprach ich kurz mit Xolani Dlamuka darüber", ["Xolani Dlamuka"]),
        ("Fragen an Xolani Dlamuka.", ["Xolani Dlamuka"]),
        ("The patient, Xolani Dlamuka, came", ["Xolani Dlamuka"]),
        ("Agent Xolani O'Dlamuka: closed", ["Xolani O'Dlamuka"]),
        ("Xolani Dlamuka fragt nach dem Bad", ["Xolani Dlamuka"]),
        ("Xolani Dlamuka aus Dresden hat geschrieben", ["Xolani Dlamuka"]),
        ("Xolani Dlamuka (geb. 1.2.1980)", ["Xolani Dlamuka"]),
        ("Xolani Dlamuka <x.d@example.org>", ["Xolani Dlamuka"]),
        ("Xolani Dlamuka, Tel.: 0351 4889988", ["Xolani Dlamuka"]),
        ("Please call Xolani Dlamuka at +49 351 4889988", ["Xolani Dlamuka"]),
        ("Markt 1\n\nXolani Dlamuka\nHauptstr. 7\n01069 Dresden", ["Xolani Dlamuka"]),
        ("[12.03.24, 10:31:04] Xolani Dlamuka: hallo", ["Xolani Dlamuka"]),
        ("Reported by Xolani Dlamuka, Thandeka Mbeko and Zodwa Nkulu", ["Xolani Dlamuka", "Thandeka Mbeko", "Zodwa Nkulu"]),
        ("user=Xolani Dlamuka ip=10.1.2.3", ["Xolani Dlamuka"]),
        ("level=info user=anna.dlamuka action=login", ["anna.dlamuka"]),
        ("we reminded Anna twice", ["Anna"]),
        ("Kontoinhaberin Xolani Dlamuka, IBAN DE89 3704 0044 0532 0130 00", ["Xolani Dlamuka"]),
        ("DE89 3704 0044 0532 0130 00 (Xolani Dlamuka)", ["Xolani Dlamuka"]),
        ("user 'Xolani Dlamuka' asked", ["Xolani Dlamuka"]),
        ("Re: Claim of Xolani Dlamuka, policy 123", ["Xolani Dlamuka"]),
        ("Betreff: Kündigung Xolani Dlamuka", ["Xolani Dlamuka"]),
        ("Name der Mutter: Xolani Dlamuka", ["Xolani Dlamuka"]),
        ("An\nXolani Dlamuka\nPostfach 12\n01069 Dresden", ["Xolani Dlamuka"]),
        ("Kannst du das mit Xolani Dlamuka klären?", ["Xolani Dlamuka"]),
        ("Ein Brief mit Rose Dlamuka", ["Rose Dlamuka"]),
        ("im Auftrag\nXaveriane Freifrau von Hohenfels", ["Xaveriane Freifrau von Hohenfels"]),
        ("xolani.muelder@example.org fehlt. Mülder auch.", ["Mülder"]),
        ("Teilnehmende: Xolani Dlamuka, Grace Field, Emeka Okonjo", ["Xolani Dlamuka", "Grace Field", "Emeka Okonjo"]),
        ("Anna Freifrau von Hohenfels", ["Anna Freifrau von Hohenfels"]),
        ("| zahler | betrag |\n| --- | --- |\n| Freifrau von Hohenfels, Xaveriane | 5 |", ["Freifrau von Hohenfels, Xaveriane"]),
    ],
)  # fmt: skip
def test_a_name_is_recognised_by_what_stands_beside_it(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert names(detectors, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Wir arbeiten mit Microsoft Teams und Visual Studio Code.",
        "Die Rechnung von Brömmel Hausgeräte GmbH, Tel.: 0351 4889988",
        "Rechnung von Brömmel & Co. KG",
        "Fragen an Stadtwerke Lindenau, Telefon 0351 4889988",
        "sent to Human Resources",
        "Handed to Customer Support",
        "New York said yes",
        "Name der Firma: Xolani Dlamuka",
        "info.team@example.org fehlt, das Team auch.",
        "a walk with Rose Garden signs",
        "Bericht von Radio Bremen",
        "asked Customer Service to wait",
        "10:31 Begrüßung: alle",
        "2024-05-01 10:30:00 Connection Pool: exhausted",
        "Anmeldung Wohngeld, Hauptstr. 7, 01069 Dresden",
        "author=Foo, title=Bar",
        "Xyriander, Tupper and Smith said no",
        "Reported by Blue Screen",
        "we asked Machine Learning to wait",
    ],
)
def test_firms_offices_and_products_beside_the_same_words_are_no_people(
    text: str, detectors: Detectors
) -> None:
    assert names(detectors, text) == []


def test_a_noun_after_a_genitive_is_no_part_of_the_name(detectors: Detectors) -> None:
    assert names(detectors, "Peter Schmidts Hund bellt.") == ["Peter Schmidt"]


_WORD = st.from_regex(r"[XQ][aeou]l[aeou]m[aou]k[aou]", fullmatch=True)


@settings(deadline=None, max_examples=50)
@given(
    first=_WORD,
    last=_WORD,
    cue=st.sampled_from(
        ["Reported by {}.", "{} <a@example.org>", "Halter ist {}.", "{} berichtet."]
    ),
)
def test_any_two_words_are_a_name_beside_such_words(
    first: str, last: str, cue: str, detectors: Detectors
) -> None:
    assert names(detectors, cue.format(f"{first} {last}")) == [f"{first} {last}"]

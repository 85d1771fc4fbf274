# ruff: noqa: E501 - texts are read as a whole
"""What forms, lists, logs and letters say of a value beside it is enough to recognise it, and no more than the value is."""

import pytest

from backend_adapter.egress.detect.detectors import Detectors


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors()


def found(detectors: Detectors, text: str, category: str) -> list[str]:
    return [each.value for each in detectors.find(text) if each.category == category]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Der Personalausweis\nmit der Nummer LZ6X4WTKC ist weg.", ["LZ6X4WTKC"]),
        ("Personalausweis mit der Nummer L01X00T471", ["L01X00T471"]),
        ("Ausweisnummer: LZ6311T47", ["LZ6311T47"]),
        ("ID card no. L22RWK7PZ was reported lost", ["L22RWK7PZ"]),
        ("identity card with the number NTWCPT7HZ3", ["NTWCPT7HZ3"]),
        ("Ausweisnr. LRTWXKPNM", ["LRTWXKPNM"]),
        ("Den Ausweis sah RHYTHMNTZ nicht", []),
        ("Artikel LZ6X4WTKC ist lieferbar", []),
    ],
)
def test_identity_cards_are_recognised_by_the_words_before_them(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert found(detectors, text, "DE_ID_CARD") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("order 4711 10.1.2.3 GET /part/9 200", ["10.1.2.3"]),
        ("10.0.0.5 -> 192.168.7.20:443", ["10.0.0.5", "192.168.7.20"]),
        ("10.0.0.5->84.20.3.1", ["10.0.0.5", "84.20.3.1"]),
        ("10.0.0.5-10.0.0.9", ["10.0.0.5", "10.0.0.9"]),
        ("customer_id=5 session 7 ip=10.9.8.7", ["10.9.8.7"]),
        ("2001:db8::17: connection refused", ["2001:db8::17"]),
        ("from 2003:e1a:4:5:6:7::9: timeout", ["2003:e1a:4:5:6:7::9"]),
        ("[2001:db8::17]:443", ["2001:db8::17"]),
        ("Version 10.1.2.3 fixes it", []),
        ("requires >=1.2.3.4 and <2.0.0.0", []),
        ("Build no. 10.1.2.3", []),
        ("foo-1.2.3.4-beta", []),
        ("std::vector<int>::iterator, at 10:30:45", []),
    ],
)
def test_addresses_of_machines_are_recognised_unless_a_word_calls_them_a_version(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert found(detectors, text, "IP_ADDRESS") == expected


@pytest.mark.parametrize(
    "text",
    [
        "Schillerplatz 155, 48319 Weiden i.d. OPf.",
        "Trommlerplatz 107\n85688 Neunburg vorm Wald",
        "Ringweg 3, 84503 Rotthal v. d. Heide",
        "Lindenweg 3, 74523 Schwäbisch Hall",
    ],
)
def test_a_town_is_an_address_s_with_what_tells_it_from_others_of_its_name(
    text: str, detectors: Detectors
) -> None:
    assert [value.rstrip(".") for value in found(detectors, text, "ADDRESS")] == [text.rstrip(".")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Name: Xyriandos\nVorname: Xaveriane\nOrt: hier", ["Xyriandos", "Xaveriane"]),
        ("Name: Report\nVersion: 3", []),
        ('{"given": "Zoltanus", "family": "Xyrik"}', ["Zoltanus", "Xyrik"]),
        ("FN:Zoltanus Xyrik\nEND:VCARD", ["Zoltanus Xyrik"]),
        ("| zahler | betrag |\n| --- | --- |\n| Xyrik, Zoltanus | 5 |", ["Xyrik, Zoltanus"]),
        ("| citizen | fee |\n| --- | --- |\n| Zoltanus Xyrik | 5 |", ["Zoltanus Xyrik"]),
        ("account_owner_name;fee\nZoltanus Xyrik;5", ["Zoltanus Xyrik"]),
        ("Geprüft durch: Zoltanus Xyrik", ["Zoltanus Xyrik"]),
        ('{"last_edited_by": "Zoltanus Xyrik", "standby": "Zoltanus"}', ["Zoltanus Xyrik", "Zoltanus"]),
        ("Zeugin: Zoltana Xyrik, Tel.: 0351 4889988", ["Zoltana Xyrik"]),
        ("Melder: Zoltanus Xyrik, Durchwahl 4889988", ["Zoltanus Xyrik"]),
        ("Anwesend: Zoltanus Xyrik\nTOP 1: Xyrik fragt, Xyriks Frage bleibt.", ["Zoltanus Xyrik", "Xyrik", "Xyrik"]),
        ("Anwesend: Anna Koch\nDer Koch kocht, und das Team dankt.", ["Anna Koch"]),
    ],
)  # fmt: skip
def test_fields_name_people_and_who_was_named_is_found_again(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert found(detectors, text, "PERSON") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Er wohnt Am Alten Markt 12 in Dresden", ["Am Alten Markt 12"]),
        ("wohnhaft Burgberg 5", ["Burgberg 5"]),
        ("Neue Anschrift: Birkenhain 7b.", ["Birkenhain 7b"]),
        ("gemeldet seit 3.5.2020 Sandkamp 4", ["Sandkamp 4"]),
        ("Die Wohnung Nr. 5 im Haus 7 war im Jahr 2024 frei.", []),
        ("Wohnung im Mai 2024", []),
        ("Im Fall Burgberg 5 entschied der Rat", []),
    ],
)
def test_a_street_of_any_name_is_one_where_somebody_lives(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert found(detectors, text, "ADDRESS") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("paid by 912-78-1234", ["912-78-1234"]),
        ("order 912-78-1234", []),
        ("912-69-1234", []),
        ("2912-78-1234", []),
        ("912-78-12345", []),
    ],
)
def test_a_taxpayer_s_number_is_recognised_by_its_form(
    text: str, expected: list[str], detectors: Detectors
) -> None:
    assert found(detectors, text, "US_ITIN") == expected


def test_an_identifier_after_a_registered_society_is_no_version(detectors: Detectors) -> None:
    assert found(detectors, "USt-IdNr. der Firma Xyrik e.V.: DE136695976.", "DE_VAT_ID") == [
        "DE136695976"
    ]

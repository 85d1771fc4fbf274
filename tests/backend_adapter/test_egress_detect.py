# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""What nobody listed is recognised in letters, minutes, tickets, tables and logs, and what only looks like it is not."""

import pytest

from backend_adapter.egress.detect.detectors import Detectors
from backend_adapter.egress.found import Found


@pytest.fixture(scope="module")
def detectors() -> Detectors:
    return Detectors()


LETTER = """Stadt Lindenau · Markt 1 · 00417 Lindenau

Jörg Weißmüller
Bahnhofstraße 12a
01069 Dresden

Aktenzeichen 12 O 345/23, Bescheid vom 03.02.2024

Sehr geehrter Herr Weißmüller,

Ihr Antrag vom 01.02.2024 (Vorgang 4711-0815) liegt uns vor. Nach § 12 Abs. 3 BauO ist eine Gebühr von 1.234,56 EUR
fällig. Bitte überweisen Sie auf DE89 3704 0044 0532 0130 00. Rückfragen: Telefon 0351 488 99 88, Fax -99, oder
joerg.weiss@lindenau.example. Ihre Steuer-ID lautet 86 095 742 719, geboren sind Sie am 5. März 1987.

Mit freundlichen Grüßen

i. A. Sabine Krüger
Sachbearbeiterin"""

MINUTES = """Minutes of the meeting on 3 March 2024, 10:30
Attendees: John Smith, Mary-Jane O'Connor, Dr. Wei Zhang (remote)

1. Release. John Smith reports that version 2.14.0 ships in April; build 20240301.2 failed.
2. Ms. O'Connor asks for the budget of 12,500 USD. Invoice 2024-00123 is open.
3. The parcel goes to 742 Evergreen Terrace, Springfield, OR 97475.

Best regards,
Wei Zhang"""

TICKET = """Ticket #200415
Melder: Ayşe Yılmaz
Rückruf: +49 (0)171 2345678

Der Login auf Server 10.20.30.40 schlägt seit Version 1.2.3.4 fehl. Das Passwort lautet Sonne!2024.
Mein Kennzeichen ist DD-AB 123, meine SV-Nummer 65 170839 J 003."""

TABLE = """| id | name | geburtsdatum | kennzeichen | umsatz |
|----|------|--------------|-------------|--------|
| 1 | Zoltan Xyrik | 1987-03-05 | B-XY 99 | 1.200,00 |
| 2 | Weißmüller, Jörg | 1950-01-30 | DD-AB 123 | 99,50 |
"""

CSV = """kundennummer;nachname;vorname;strasse;telefon;passwort
K-100;Xyrik;Zoltan;Am Winkel 3;488 9988;geheim1
K-101;"Kühn, verh. Lang";Anna;Gasse 5;0351/4889988;hund7
"""

JSON = """{"customer_name": "Zoltan Xyrik", "dob": "1987-03-05", "order_id": "0351-4889988", "version": "1.2.3.4",
 "phone": "488 9988", "password": "abc def", "name": "report.pdf", "iban": "DE89370400440532013000"}"""

LOG = """2024-05-01T10:30:00Z INFO request_id=123e4567-e89b-12d3-a456-426614174000 status=200 bytes=1234567890
2024-05-01T10:30:01Z WARN client=93.184.216.34 user=admin@corp.lan commit 9f8a7d6e5c4b3a2f1e0d9f8a7d6e5c4b3a2f1e0d
2024-05-01T10:30:02Z DEBUG Authorization: Bearer abcDEF123456789xyz"""

SAMPLES: dict[str, tuple[str, list[str]]] = {
    "letter": (
        LETTER,
        [
            "Markt 1 · 00417 Lindenau",
            "Jörg Weißmüller",
            "Bahnhofstraße 12a\n01069 Dresden",
            "Weißmüller",
            "DE89 3704 0044 0532 0130 00",
            "0351 488 99 88",
            "joerg.weiss@lindenau.example",
            "86 095 742 719",
            "5. März 1987",
            "Sabine Krüger",
        ],
    ),
    "minutes": (
        MINUTES,
        [
            "John Smith",
            "Mary-Jane O'Connor",
            "Wei Zhang",
            "John Smith",
            "O'Connor",
            "742 Evergreen Terrace, Springfield, OR 97475",
            "Wei Zhang",
        ],
    ),
    "ticket": (
        TICKET,
        [
            "Ayşe Yılmaz",
            "+49 (0)171 2345678",
            "10.20.30.40",
            "Sonne!2024",
            "DD-AB 123",
            "65 170839 J 003",
        ],
    ),
    "table": (
        TABLE,
        [
            "Zoltan Xyrik",
            "1987-03-05",
            "B-XY 99",
            "Weißmüller, Jörg",
            "1950-01-30",
            "DD-AB 123",
        ],
    ),
    "csv": (
        CSV,
        [
            "Xyrik",
            "Zoltan",
            "Am Winkel 3",
            "488 9988",
            "geheim1",
            "Kühn",
            "Anna",
            "Gasse 5",
            "0351/4889988",
            "hund7",
        ],
    ),
    "json": (
        JSON,
        ["Zoltan Xyrik", "1987-03-05", "488 9988", "abc def", "DE89370400440532013000"],
    ),
    "log": (LOG, ["93.184.216.34", "admin@corp.lan", "abcDEF123456789xyz"]),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_in_a_document_of_the_office_every_value_is_found_and_nothing_else(
    sample: str, detectors: Detectors
) -> None:
    text, expected = SAMPLES[sample]
    assert [each.value for each in detectors.find(text)] == expected


@pytest.mark.parametrize(
    "text",
    [
        "Bestellnummer 0351 4889988",
        "Ihre Bestellung 86095742719 ist unterwegs.",
        "Rechnungsnummer 4111111111111111",
        "Invoice No. 4111 1111 1111 1111",
        "order 555-234-5678",
        "Auftrag Nr. 0171-2345678",
        "Artikelnummer A123456780, Artikel 4006381333931",
        "Der Betrag von 1.234.567,89 EUR, netto 1 234 567 EUR, 0,123456 %",
        "Az. 12 O 345/23 und 3 C 0815/22, Geschäftszeichen 0351/23-4889",
        "ISBN 978-3-16-148410-0, ISSN 0317-8471",
        "§ 123 Abs. 4 Satz 2 BGB, Art. 6 DSGVO",
        "Version 1.2.3.4, v10.4.2.1, brotli>=1.2.0.0, Abschnitt 2.3.2.4",
        "commit 9f8a7d6e5c4b3a2f1e0d9f8a7d6e5c4b3a2f1e0d",
        "123e4567-e89b-12d3-a456-426614174000",
        "am 01.02.2024 um 10:30 Uhr, 2024-02-01T10:30:15+01:00, 02/01/2024",
        "127.0.0.1 und 0.0.0.0 und 255.255.255.0",
        "Windows Server 2019, Office 365, Intel Core i7-8700K, HP LaserJet 4000",
        "Der Termin am Montag im Mai, Mark Brandenburg, Kai Anlage",
        "Konrad-Adenauer-Straße und Anna-Straße, Robert Bosch GmbH, Daimler AG, Thomas Müller GmbH & Co. KG",
        "Robert Koch Institut, Max Planck Gesellschaft, Ludwig Erhard Preis, Heinrich Heine Universität",
        "Sehr geehrte Damen und Herren, liebe Kolleginnen und Kollegen",
        "Die Frau Bürgermeisterin und der Herr Präsident kommen am Freitag.",
        "Sankt Martin, St. Georg, die Stadt Friedrich",
        "Grace Period, Bill Payment, Will The, May I, Rose Garden, Julia Package",
        "Im Jahr 2024, im Kapitel 3, auf Platz 3, Parkplatz 12, Hering 12, Weg 5",
        "12 Angry Men, 2024 Summer Camp, 100 Euro, Bahnhofstraße ohne Nummer",
        "Das Passwort ist abgelaufen. Passwort: bitte ändern. password=null, password: ${DB_PASSWORD}",
        "Passwort vergessen? The password is required. pass `--strict` to disable it",
        "Das Token ist ungültig, token count 500, Schlüssel: siehe Handbuch",
        "Geburtstage im März, Datum: 05.03.2024, erstellt am 05.03.2024",
        "Name: report.pdf, Projekt: Wohngeld, Kontakt: Stadtverwaltung, Kunde: keine",
        "client = Upstream(upstream), address = resolved[0], caller: str = None",
        "for in the end; @decorator, user@, @host, a@b",
        "AB-12345, X1234567, T-1000, R2-D2, DIN EN ISO 9001:2015",
        "3.14159265358979, 6,02214076e23, 1000000000",
    ],
)
def test_what_only_looks_like_a_value_stays(text: str, detectors: Detectors) -> None:
    assert detectors.find(text) == []


def category_of(found: list[Found]) -> list[tuple[str, str]]:
    return [(each.category, each.value) for each in found]


@pytest.mark.parametrize(
    ("text", "category", "value"),
    [
        ("Steuer-IdNr. 86095742719", "DE_TAX_ID", "86095742719"),
        ("Die Nummer 86095742719 ist bekannt.", "DE_TAX_ID", "86095742719"),
        ("Steuer-ID: 12 345 678 901 (vertippt)", "DE_TAX_ID", "12 345 678 901"),
        ("Steuernummer 123/456/78901", "DE_TAX_NUMBER", "123/456/78901"),
        ("Finanzamt Dresden, St.-Nr. 12/345/67890", "DE_TAX_NUMBER", "12/345/67890"),
        ("USt-IdNr. DE136695976", "DE_VAT_ID", "DE136695976"),
        ("Reisepass C01X00T478", "DE_PASSPORT", "C01X00T478"),
        ("Personalausweisnummer: L01X00T471", "DE_ID_CARD", "L01X00T471"),
        ("RVNR 65170839J003", "DE_SOCIAL_SECURITY", "65170839J003"),
        ("Versichertennummer A123456780", "DE_HEALTH_INSURANCE", "A123456780"),
        ("Das Auto B-XY 1234 parkt falsch", "DE_KFZ", "B-XY 1234"),
        ("Kennzeichen M AB 12E", "DE_KFZ", "M AB 12E"),
        ("Amtsgericht Dresden HRB 12345", "DE_HANDELSREGISTER", "HRB 12345"),
        ("LANR 123456601", "DE_LANR", "123456601"),
        ("BSNR 021234568", "DE_BSNR", "021234568"),
        ("Führerschein B072RRE2I55", "DE_FUEHRERSCHEIN", "B072RRE2I55"),
        ("UID-Nr. ATU13585627", "EU_VAT_ID", "ATU13585627"),
        ("SVNR 1237 010180", "AT_SOCIAL_SECURITY", "1237 010180"),
        ("AHV 756.9217.0769.85", "CH_SOCIAL_SECURITY", "756.9217.0769.85"),
        ("codice fiscale RSSMRA85T10A562S", "IT_FISCAL_CODE", "RSSMRA85T10A562S"),
        ("PESEL 44051401359", "PL_PESEL", "44051401359"),
        ("NINO AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
        ("NHS number 943 476 5919", "UK_NHS", "943 476 5919"),
        ("SSN: 536-90-4399", "US_SSN", "536-90-4399"),
        ("DE89370400440532013000 ist das Konto", "IBAN", "DE89370400440532013000"),
        ("auf gb33bukb20201555555555 bitte", "IBAN", "gb33bukb20201555555555"),
        ("IBAN DE89 3704 0044 0532 0130 01", "IBAN", "DE89 3704 0044 0532 0130 01"),
        ("Karte 4111 1111 1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
        ("card 378282246310005", "CREDIT_CARD", "378282246310005"),
        ("BIC: COBADEFFXXX", "BIC", "COBADEFFXXX"),
        ("wallet 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "CRYPTO", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
        ("von 2001:db8::ff00:42:8329 aus", "IP_ADDRESS", "2001:db8::ff00:42:8329"),
        ("MAC 00:1A:2B:3C:4D:5E", "MAC_ADDRESS", "00:1A:2B:3C:4D:5E"),
    ],
)  # fmt: skip
def test_identifiers_are_recognised_by_shape_checksum_and_words(
    text: str, category: str, value: str, detectors: Detectors
) -> None:
    assert category_of(detectors.find(text)) == [(category, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Tel.: 0351/488 99 88", "0351/488 99 88"),
        ("Telefonnummer: 488 9988", "488 9988"),
        ("Rufen Sie unter 03514889988 an", "03514889988"),
        ("mobil 0171-2345678.", "0171-2345678"),
        ("0171 2345678", "0171 2345678"),
        ("01712345678", "01712345678"),
        ("+49 351 4889988", "+49 351 4889988"),
        ("0049 351 4889988", "0049 351 4889988"),
        ("+43 1 58858-0", "+43 1 58858-0"),
        ("+1-212-555-0100", "+1-212-555-0100"),
        ("(212) 555-0100", "(212) 555-0100"),
        ("212-555-0100x123", "212-555-0100x123"),
        ("call 001-212-555-0100", "001-212-555-0100"),
        ("Phone: 5552345678", "5552345678"),
    ],
)
def test_telephone_numbers_are_recognised(text: str, value: str, detectors: Detectors) -> None:
    assert category_of(detectors.find(text)) == [("PHONE", value)]


@pytest.mark.parametrize(
    "address",
    [
        "Bahnhofstraße 12a, 01069 Dresden",
        "Berliner Str. 5",
        "Konrad-Adenauer-Straße 17-19",
        "HAUPTSTRASSE 9",
        "Willy-Brandt-Platz 1",
        "Am Markt 5, 01067 Dresden",
        "Unter den Linden 77\n10117 Berlin",
        "Straße des 17. Juni 135, 10623 Berlin",
        "Große Bleichen 3, 20354 Hamburg",
        "Kaiserstraße 4, 60311 Frankfurt am Main",
        "Mariahilfer Straße 10, 1070 Wien",
        "Postfach 12 34 56, 01069 Dresden",
        "10 Downing Street, London SW1A 2AA",
        "1600 Pennsylvania Avenue NW, Washington, DC 20500",
        "12345 Smith Mission Apt. 123\nEast John, CA 12345",
        "PSC 1234, Box 5678\nAPO AA 12345",
    ],
)
def test_addresses_are_recognised_with_their_towns(address: str, detectors: Detectors) -> None:
    text = f"Die Sendung ging an {address}."
    assert category_of(detectors.find(text)) == [("ADDRESS", address)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("geb. am 05.03.1987", "05.03.1987"),
        ("geboren am 5. März 1987 in Dresden", "5. März 1987"),
        ("Geburtsdatum: 1987-03-05", "1987-03-05"),
        ("Geburtsdatum/-ort: 05.03.1987, Dresden", "05.03.1987"),
        ("born on March 5, 1987", "March 5, 1987"),
        ("date of birth 03/05/1987", "03/05/1987"),
        ("DOB 5 March 1987", "5 March 1987"),
        ("der Antragsteller (* 5.3.1987)", "5.3.1987"),
        ("am 05.03.1987 geboren", "05.03.1987"),
    ],
)
def test_dates_of_birth_are_recognised_by_the_words_beside_them(
    text: str, value: str, detectors: Detectors
) -> None:
    assert category_of(detectors.find(text)) == [("BIRTH_DATE", value)]

"""Identifiers that a German office, insurance or chamber gives."""

from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.identifiers.checks import has_digits, stdnum
from backend_adapter.egress.detect.identifiers.identifier import (
    Identifier,
    near_digits,
    of_presidio,
    shaped,
)
from backend_adapter.egress.detect.identifiers.plates import is_plate
from backend_adapter.egress.detect.identifiers.presidio import checksum, union


def german() -> Iterator[Identifier]:
    """All of them."""
    yield shaped(
        "DE_TAX_ID",
        r"[1-9](?<![\w.,/-].)\d ?\d{3} ?\d{3} ?\d{3}(?![\w/-]|[.,]\d)",
        Words("steuer-id", "steuerid", "steueridentifikation", "steuerliche identifikation", "idnr",
              "id-nr", "identifikationsnummer", "tin", "tax id", "tax identification", "bzst", "taxid", "tax_id"),
        stdnum("de.idnr", "DeTaxIdRecognizer"),
        alone=True,
    )  # fmt: skip
    yield shaped(
        "DE_TAX_NUMBER",
        union("DeTaxNumberRecognizer") + r"|(?<!\w)\d{2,3} \d{3,4} \d{4,5}(?![\w/])",
        Words(
            "steuernummer", "steuer-nr", "steuer nr", "steuernr", "st.-nr", "st-nr", "stnr", "st.nr", "finanzamt",
            "tax number", "tax no", "steuerbescheid", "steuerveranlagung",
        ),
    )  # fmt: skip
    yield shaped(
        "DE_SOCIAL_SECURITY",
        r"\d(?<![\w/-].)\d[ -]?\d{6}[ -]?[A-Z][ -]?\d{3}(?![\w-])",
        Words("versicherungsnummer", "versicherungs-nr", "rvnr", "svnr", "sv-nummer", "sv-nr", "sozialversicherung",
              "rentenversicherung", " drv ", "rentenausweis", "social security", "social insurance", " ssn "),
        checksum("DeSocialSecurityRecognizer"),
        alone=True,
    )  # fmt: skip
    yield shaped(
        "DE_HEALTH_INSURANCE",
        r"(?<![\w/-])[A-Z] ?\d{3} ?\d{3} ?\d{3}(?![\w-])",
        Words("krankenvers", "versichertennummer", "versicherten-nr", "versichertennr", "versicherungsnummer",
              "kvnr", "kv-nr", "krankenkasse", "gesundheitskarte", " egk ", " gkv ", "krankenkarte", "versichert",
              "health insurance", " aok ", "barmer", " tk ", " dak ", "techniker", "patient"),
        checksum("DeHealthInsuranceRecognizer"),
    )  # fmt: skip
    papers = r"(?<![\w/-])[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}\d?(?:D|<<)?(?![\w-])"
    yield shaped(
        "DE_ID_CARD",
        rf"{papers}|(?<![\w/-])T\d{{8}}\d?(?![\w-])",
        Words("ausweis", " perso ", "dokumentennummer", " npa ", " pa-nr ", "identity card", "id card",
              "national id", "id_card", "id-card", "identity document", "identity no", "identity number",
              "personalausw", " pa nr"),
        has_digits,
    )  # fmt: skip
    yield shaped(
        "DE_PASSPORT",
        papers,
        Words("reisepass", "passnummer", "pass-nr", "passnr", "passport", "pass nr", " pass ", " mrz "),
        has_digits,
    )  # fmt: skip
    yield shaped(
        "DE_KFZ",
        r"(?<![\w-])[A-ZÄÖÜ]{1,3}[ -][A-Z]{1,2}[ -]?[1-9]\d{0,3}[EH]?(?![\w-]|[.,]\d)",
        Words("kennzeichen", "nummernschild", "zulassung", "kfz", "fahrzeug", " auto ", "pkw", "lkw", "wagen",
              "transporter", "license plate", "licence plate", "registration", "parkplatz", "falschpark",
              "abgeschleppt", "halter", "parkverstoß", "ordnungswidrigkeit", "unfall", " plate ", "geblitzt"),
        is_plate,
    )  # fmt: skip
    yield shaped(
        "DE_KFZ",
        # As it is written on the plate and in few other places: without any word beside it.
        r"[A-ZÄÖÜ](?<![\w-].)[A-ZÄÖÜ]{0,2}-[A-Z]{1,2} [1-9]\d{0,3}[EH]?(?![\w-]|[.,]\d)",
        Words("kennzeichen"),
        is_plate,
        alone=True,
        within=near_digits,
    )  # fmt: skip
    yield of_presidio(
        "DE_HANDELSREGISTER",
        "DeHandelsregisterRecognizer",
        Words("handelsregister", "amtsgericht"),
        alone=True,
        within=near_digits,
    )
    yield of_presidio(
        "DE_LANR",
        "DeLanrRecognizer",
        Words("lanr", "arztnummer", "arzt-nr", "arzt nr", "arztnr"),
    )
    yield of_presidio(
        "DE_BSNR",
        "DeBsnrRecognizer",
        Words("bsnr", "betriebsstätten", "betriebsstaetten", "praxisnummer"),
    )
    yield shaped(
        "DE_VAT_ID",
        r"DE(?<![\w-]DE)[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d{3}(?![\w-])",
        Words("umsatzsteuer", "ust-id", "ustid", "ust.-id", "mwst", " vat ", "vat-id", "vat_id", "vatid", "uid"),
        checksum("DeVatIdRecognizer"),
        alone=True,
    )  # fmt: skip
    yield shaped(
        "DE_FUEHRERSCHEIN",
        r"(?<![\w-])[A-Z0-9]\d{2}[A-Z0-9]{6}\d[A-Z0-9](?![\w-])|(?<![\w-])[A-Z]{2}\d{8}[A-Z0-9](?![\w-])",
        Words("führerschein", "fuehrerschein", "fahrerlaubnis", "driving licen", "driver's licen", "driver licen",
              "drivers licen"),
    )  # fmt: skip

"""Identifiers that an office or an insurance of another country gives."""

from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.identifiers.checks import in_capitals, is_us_ssn, stdnum
from backend_adapter.egress.detect.identifiers.identifier import (
    Identifier,
    near_digits,
    of_presidio,
    shaped,
)
from backend_adapter.egress.detect.identifiers.presidio import checksum, union


def foreign() -> Iterator[Identifier]:
    """All of them."""
    yield shaped(
        "EU_VAT_ID",
        r"(?<![\w-])(?:ATU|(?:BE|BG|CY|CZ|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)) ?"
            r"[A-Z0-9]{1,2}[0-9.]{5,11}[A-Z0-9]{0,3}(?![\w-])",
        Words("umsatzsteuer", "ust-id", "ustid", " uid", " vat ", "vat-id", "vat_id", "tva", "iva", "btw", "mwst"),
        stdnum("eu.vat"),
    )  # fmt: skip
    yield shaped(
        "AT_SOCIAL_SECURITY",
        r"(?<![\w./-])[1-9]\d{3}[ -]?\d{2}[. ]?\d{2}[. ]?\d{2}(?![\w/-]|[.,]\d)",
        Words(
            "svnr",
            "sv-nr",
            "sv-nummer",
            "versicherungsnummer",
            "sozialversicherung",
            "vsnr",
            "e-card",
            "ögk",
        ),
        stdnum("at.vnr"),
    )
    yield shaped(
        "CH_SOCIAL_SECURITY",
        r"756(?<![\w.-]756)[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}(?![\w-]|[.,]\d)",
        Words("ahv", "avs", "sozialversicherung", "versichertennummer"),
        stdnum("ch.ssn"),
        alone=True,
    )
    yield shaped(
        "FR_SOCIAL_SECURITY",
        r"[12](?<![\w.-].) ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}(?![\w-])",
        Words("sécurité sociale", "securite sociale", "insee", " nir "),
        stdnum("fr.nir"),
        alone=True,
    )
    yield shaped(
        "IT_FISCAL_CODE",
        r"[A-Z](?<!\w.)[A-Z]{5}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z](?!\w)",
        Words("codice fiscale", "fiscale"),
        checksum("ItFiscalCodeRecognizer"),
        alone=True,
        within=near_digits,
    )
    yield shaped(
        "PL_PESEL",
        rf"(?<![\w./-]){union('PlPeselRecognizer')}(?![\w/-])",
        Words("pesel"),
        checksum("PlPeselRecognizer"),
    )
    yield of_presidio(
        "ES_NIF",
        "EsNifRecognizer",
        Words("documento nacional", " dni ", " nif ", "identificación"),
        checked=True,
    )
    yield shaped(
        "UK_NINO",
        union("UkNinoRecognizer"),
        Words("national insurance", "ni number", "nino", " ni no"),
        in_capitals,
        alone=True,
    )
    yield of_presidio(
        "UK_NHS",
        "NhsRecognizer",
        Words("national health service", " nhs "),
        checked=True,
    )
    yield shaped(
        "US_SSN",
        r"\d(?<![\w./-].)\d{2}-\d{2}-\d{4}(?![\w/-])",
        Words("social security", " ssn ", " ssn#", "ss#", "soc sec", "ssn:"),
        is_us_ssn,
        alone=True,
    )
    yield shaped(
        "US_SSN",
        r"(?<![\w./-])\d{3}[ .]?\d{2}[ .]?\d{4}(?![\w/-]|[.,]\d)",
        Words("social security", " ssn ", " ssn#", "ss#", "soc sec"),
        is_us_ssn,
    )
    yield shaped(
        "US_ITIN",
        # The groups that are given out (IRS, Publication 1915); with both hyphens little else has that form.
        r"9(?<![\w./-].)\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}(?![\w/-])",
        Words(" itin ", "taxpayer"),
        alone=True,
    )
    yield of_presidio(
        "US_ITIN",
        "UsItinRecognizer",
        Words(" itin ", "taxpayer", "tax payer", " tin ", "taxid", "tax id"),
    )
    yield shaped(
        "US_PASSPORT",
        r"(?<![\w./-])(?:[A-Z]\d{8}|\d{9})(?![\w/-])",
        Words("passport"),
    )

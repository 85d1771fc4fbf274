# ruff: noqa: E501 - patterns and lists of words are read as a whole
"""Recognises identifiers by their shape, their checksum and the words beside them.

The patterns and checksums are Presidio's (predefined recognisers, version 2.2) and python-stdnum's. Presidio's own
loop over a text is not used: it compares all results with each other, writes values to its log, and passes over a
text in silence when a pattern takes too long.
"""

import importlib
import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from stdnum.iban import is_valid as is_valid_iban

from backend_adapter.egress.detect.context import OTHER_NUMBERS, Occurrences, Words
from backend_adapter.egress.detect.hits import CHECKED, LABELLED, NUMBER, SHAPED, Hit
from backend_adapter.egress.detect.plates import DISTRICTS
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.views import View

_SEPARATORS = re.compile(r"[\s./-]")
_digits = attrgetter("digits")
_tokens = attrgetter("tokens")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One sort of identifier.

    `alone` says whether a value is recognised without a word beside it: where there is a checksum, when it holds;
    `within` is then the part of a text that it is searched in. With a label directly before it a value is recognised
    even if its checksum is wrong, because somebody mistyped it, unless it is `strict`. After a word of `others` it
    is the number of something else.
    """

    category: str
    pattern: re.Pattern[str]
    words: Words
    check: Callable[[str], bool] | None = None
    alone: bool = False
    strict: bool = False
    others: Words = OTHER_NUMBERS
    within: Callable[[Scan], View | None] = attrgetter("numbers")

    def hits(self, scan: Scan) -> Iterator[Hit]:
        view = self.within(scan) if self.alone else scan.near(self.words)
        if view is None:
            return
        for match in self.pattern.finditer(view.text):
            start = view.at(match.start())
            end = start + len(match[0])
            if (weight := self._weight(scan.occurrences, match[0], start, end)) is not None:
                yield Hit(start, end, self.category, weight)

    def _weight(self, beside: Occurrences, value: str, start: int, end: int) -> int | None:
        checked = self.check is not None and self.check(value)
        if beside.label(self.words, start) and (checked or not self.strict):
            return LABELLED
        if beside.of_other_numbers(start, self.others) or (self.check is not None and not checked):
            return None
        if beside.near(self.words, start, end):
            return CHECKED if checked else SHAPED
        if self.alone:
            return CHECKED if checked else NUMBER
        return None


# ISO 13616: how long an IBAN of each country is (SWIFT, "IBAN Registry").
_IBAN_LENGTHS = dict(  # noqa: C408 - countries without quotes
    AD=24, AE=23, AL=28, AT=20, AZ=28, BA=20, BE=16, BG=22, BH=22, BR=29, BY=28, CH=21, CR=22, CY=28, CZ=24, DE=22, DK=18,
    DO=28, EE=20, EG=29, ES=24, FI=18, FO=18, FR=27, GB=22, GE=22, GI=23, GL=18, GR=27, GT=28, HR=21, HU=28, IE=22, IL=23,
    IQ=23, IS=26, IT=27, JO=30, KW=30, KZ=20, LB=28, LC=32, LI=21, LT=20, LU=20, LV=21, LY=25, MC=27, MD=24, ME=22, MK=19,
    MR=27, MT=31, MU=30, NL=18, NO=15, PK=24, PL=28, PS=29, PT=25, QA=29, RO=24, RS=22, SA=24, SC=31, SE=24, SI=19, SK=24,
    SM=27, TN=24, TR=26, UA=29, VA=22, VG=24, XK=20,
)  # fmt: skip
_IBAN = re.compile(r"[A-Za-z](?<![\w].)[A-Za-z]\d\d(?:[ -]?[A-Za-z0-9]){11,34}")
_IBAN_WORDS = Words("iban", "bankverbindung", "kontoverbindung")


# What has four numbers with dots between them and is no address of a machine.
_RELEASES = Words(
    "version", "build", "release", "firmware", "revision", "section", "abschnitt", "kapitel", "ziffer", " v ", "chapter",
    "clause", "paragraph", "gliederung", "patch", "update", "hotfix",
)  # fmt: skip

WORDS = (_IBAN_WORDS, _RELEASES)


def ibans(scan: Scan) -> Iterator[Hit]:
    """International bank account numbers: as many characters as their country's have, with the checksum of ISO 7064.

    One with a wrong checksum is recognised where a word says that it is one.
    """
    view = scan.numbers
    for match in _IBAN.finditer(view.text) if view else ():
        length = _IBAN_LENGTHS.get(match[0][:2].upper())
        places = [place for place, char in enumerate(match[0]) if char.isalnum()]
        if view is None or length is None or len(places) < length:
            continue
        after = places[length - 1] + 1
        following = match.start() + after
        if view.text[following : following + 1].isalnum():
            continue
        value = match[0][:after]
        start = view.at(match.start())
        if is_valid_iban(_SEPARATORS.sub("", value)):
            yield Hit(start, start + after, "IBAN", LABELLED)
        elif scan.occurrences.near(_IBAN_WORDS, start, start + after) and value[:2].isupper():
            yield Hit(start, start + after, "IBAN", SHAPED)


def identifiers() -> tuple[Identifier, ...]:
    """All of them. Imports Presidio, which takes a second or two."""
    return (*_german(), *_foreign(), *_payment(), *_machines())


def _german() -> Iterator[Identifier]:
    yield Identifier(
        "DE_TAX_ID",
        re.compile(r"[1-9](?<![\w.,/-].)\d ?\d{3} ?\d{3} ?\d{3}(?![\w/-]|[.,]\d)"),
        Words("steuer-id", "steuerid", "steueridentifikation", "steuerliche identifikation", "idnr",
              "id-nr", "identifikationsnummer", "tin", "tax id", "tax identification", "bzst", "taxid", "tax_id"),
        _stdnum("de.idnr", "DeTaxIdRecognizer"),
        alone=True,
    )  # fmt: skip
    yield Identifier(
        "DE_TAX_NUMBER",
        _union(_presidio("DeTaxNumberRecognizer"), r"(?<!\w)\d{2,3} \d{3,4} \d{4,5}(?![\w/])"),
        Words(
            "steuernummer", "steuer-nr", "steuer nr", "steuernr", "st.-nr", "st-nr", "stnr", "st.nr", "finanzamt",
            "tax number", "tax no", "steuerbescheid", "steuerveranlagung",
        ),
    )  # fmt: skip
    yield Identifier(
        "DE_SOCIAL_SECURITY",
        re.compile(r"\d(?<![\w/-].)\d[ -]?\d{6}[ -]?[A-Z][ -]?\d{3}(?![\w-])"),
        Words("versicherungsnummer", "versicherungs-nr", "rvnr", "svnr", "sv-nummer", "sv-nr", "sozialversicherung",
              "rentenversicherung", " drv ", "rentenausweis", "social security", "social insurance", " ssn "),
        _checked("DeSocialSecurityRecognizer"),
        alone=True,
    )  # fmt: skip
    yield Identifier(
        "DE_HEALTH_INSURANCE",
        re.compile(r"(?<![\w/-])[A-Z] ?\d{3} ?\d{3} ?\d{3}(?![\w-])"),
        Words("krankenvers", "versichertennummer", "versicherten-nr", "versichertennr", "versicherungsnummer",
              "kvnr", "kv-nr", "krankenkasse", "gesundheitskarte", " egk ", " gkv ", "krankenkarte", "versichert",
              "health insurance", " aok ", "barmer", " tk ", " dak ", "techniker", "patient"),
        _checked("DeHealthInsuranceRecognizer"),
    )  # fmt: skip
    papers = r"(?<![\w/-])[CFGHJKLMNPRTVWXYZ][CFGHJKLMNPRTVWXYZ0-9]{8}\d?(?:D|<<)?(?![\w-])"
    yield Identifier(
        "DE_ID_CARD",
        re.compile(rf"{papers}|(?<![\w/-])T\d{{8}}\d?(?![\w-])"),
        Words("ausweis", " perso ", "dokumentennummer", " npa ", " pa-nr ", "identity card", "id card", "national id", "id_card",
              "id-card", "identity document", "identity no", "identity number", "personalausw", " pa nr"),
        _has_digits,
    )  # fmt: skip
    yield Identifier(
        "DE_PASSPORT",
        re.compile(papers),
        Words("reisepass", "passnummer", "pass-nr", "passnr", "passport", "pass nr", " pass ", " mrz "),
        _has_digits,
    )  # fmt: skip
    yield Identifier(
        "DE_KFZ",
        re.compile(r"(?<![\w-])[A-ZÄÖÜ]{1,3}[ -][A-Z]{1,2}[ -]?[1-9]\d{0,3}[EH]?(?![\w-]|[.,]\d)"),
        Words("kennzeichen", "nummernschild", "zulassung", "kfz", "fahrzeug", " auto ", "pkw", "lkw", "wagen",
              "transporter", "license plate", "licence plate", "registration", "parkplatz", "falschpark",
              "abgeschleppt", "halter", "parkverstoß", "ordnungswidrigkeit", "unfall", " plate ", "geblitzt"),
        _is_plate,
    )  # fmt: skip
    yield Identifier(
        "DE_KFZ",
        # As it is written on the plate and in few other places: without any word beside it.
        re.compile(r"[A-ZÄÖÜ](?<![\w-].)[A-ZÄÖÜ]{0,2}-[A-Z]{1,2} [1-9]\d{0,3}[EH]?(?![\w-]|[.,]\d)"),
        Words("kennzeichen"),
        _is_plate,
        alone=True,
        within=_digits,
    )  # fmt: skip
    yield Identifier(
        "DE_HANDELSREGISTER",
        _union(_presidio("DeHandelsregisterRecognizer"), flags=re.NOFLAG),
        Words("handelsregister", "amtsgericht"),
        alone=True,
        within=_digits,
    )
    yield Identifier(
        "DE_LANR",
        _union(_presidio("DeLanrRecognizer")),
        Words("lanr", "arztnummer", "arzt-nr", "arzt nr", "arztnr"),
    )
    yield Identifier(
        "DE_BSNR",
        _union(_presidio("DeBsnrRecognizer")),
        Words("bsnr", "betriebsstätten", "betriebsstaetten", "praxisnummer"),
    )
    yield Identifier(
        "DE_VAT_ID",
        re.compile(r"DE(?<![\w-]DE)[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d{3}(?![\w-])"),
        Words("umsatzsteuer", "ust-id", "ustid", "ust.-id", "mwst", " vat ", "vat-id", "vat_id", "vatid", "uid"),
        _checked("DeVatIdRecognizer"),
        alone=True,
    )  # fmt: skip
    yield Identifier(
        "DE_FUEHRERSCHEIN",
        re.compile(r"(?<![\w-])[A-Z0-9]\d{2}[A-Z0-9]{6}\d[A-Z0-9](?![\w-])|(?<![\w-])[A-Z]{2}\d{8}[A-Z0-9](?![\w-])"),
        Words("führerschein", "fuehrerschein", "fahrerlaubnis", "driving licen", "driver's licen", "driver licen",
              "drivers licen"),
    )  # fmt: skip


def _foreign() -> Iterator[Identifier]:
    yield Identifier(
        "EU_VAT_ID",
        re.compile(
            r"(?<![\w-])(?:ATU|(?:BE|BG|CY|CZ|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)) ?"
            r"[A-Z0-9]{1,2}[0-9.]{5,11}[A-Z0-9]{0,3}(?![\w-])"
        ),
        Words("umsatzsteuer", "ust-id", "ustid", " uid", " vat ", "vat-id", "vat_id", "tva", "iva", "btw", "mwst"),
        _stdnum("eu.vat"),
    )  # fmt: skip
    yield Identifier(
        "AT_SOCIAL_SECURITY",
        re.compile(r"(?<![\w./-])[1-9]\d{3}[ -]?\d{2}[. ]?\d{2}[. ]?\d{2}(?![\w/-]|[.,]\d)"),
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
        _stdnum("at.vnr"),
    )
    yield Identifier(
        "CH_SOCIAL_SECURITY",
        re.compile(r"756(?<![\w.-]756)[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}(?![\w-]|[.,]\d)"),
        Words("ahv", "avs", "sozialversicherung", "versichertennummer"),
        _stdnum("ch.ssn"),
        alone=True,
    )
    yield Identifier(
        "FR_SOCIAL_SECURITY",
        re.compile(
            r"[12](?<![\w.-].) ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}(?![\w-])"
        ),
        Words("sécurité sociale", "securite sociale", "insee", " nir "),
        _stdnum("fr.nir"),
        alone=True,
    )
    yield Identifier(
        "IT_FISCAL_CODE",
        re.compile(
            r"[A-Z](?<!\w.)[A-Z]{5}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z](?!\w)"
        ),
        Words("codice fiscale", "fiscale"),
        _checked("ItFiscalCodeRecognizer"),
        alone=True,
        within=_digits,
    )
    yield Identifier(
        "PL_PESEL",
        re.compile(
            rf"(?<![\w./-])(?:{_presidio('PlPeselRecognizer').patterns[0].regex})(?![\w/-])"
        ),
        Words("pesel"),
        _checked("PlPeselRecognizer"),
    )
    yield Identifier(
        "ES_NIF",
        _union(_presidio("EsNifRecognizer"), flags=re.NOFLAG),
        Words("documento nacional", " dni ", " nif ", "identificación"),
        _checked("EsNifRecognizer"),
    )
    yield Identifier(
        "UK_NINO",
        _union(_presidio("UkNinoRecognizer"), flags=re.NOFLAG),
        Words("national insurance", "ni number", "nino", " ni no"),
        _in_capitals,
        alone=True,
    )
    yield Identifier(
        "UK_NHS",
        _union(_presidio("NhsRecognizer")),
        Words("national health service", " nhs "),
        _checked("NhsRecognizer"),
    )
    yield Identifier(
        "US_SSN",
        re.compile(r"\d(?<![\w./-].)\d{2}-\d{2}-\d{4}(?![\w/-])"),
        Words("social security", " ssn ", " ssn#", "ss#", "soc sec", "ssn:"),
        _is_ssn,
        alone=True,
    )
    yield Identifier(
        "US_SSN",
        re.compile(r"(?<![\w./-])\d{3}[ .]?\d{2}[ .]?\d{4}(?![\w/-]|[.,]\d)"),
        Words("social security", " ssn ", " ssn#", "ss#", "soc sec"),
        _is_ssn,
    )
    yield Identifier(
        "US_ITIN",
        # The groups that are given out (IRS, Publication 1915); with both hyphens hardly anything else has that form.
        re.compile(r"9(?<![\w./-].)\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}(?![\w/-])"),
        Words(" itin ", "taxpayer"),
        alone=True,
    )
    yield Identifier(
        "US_ITIN",
        _union(_presidio("UsItinRecognizer")),
        Words(" itin ", "taxpayer", "tax payer", " tin ", "taxid", "tax id"),
    )
    yield Identifier(
        "US_PASSPORT",
        re.compile(r"(?<![\w./-])(?:[A-Z]\d{8}|\d{9})(?![\w/-])"),
        Words("passport"),
    )


def _payment() -> Iterator[Identifier]:
    yield Identifier(
        "CREDIT_CARD",
        re.compile(
            r"(?<![\w.,/-])(?:(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6\d{3}|35\d{2})([ -]?)\d{4}\1\d{4}\1\d{4}"
            r"|3[47]\d{2}([ -]?)\d{6}\2\d{5}|3(?:0[0-5]|[68]\d)\d([ -]?)\d{6}\3\d{4}"
            r"|(?:50|5[6-9]|6\d)\d{10,11}|4\d{12}|4\d{18}|(?:2131|1800)\d{11})(?![\w/-]|[.,]\d)"
        ),
        Words("kreditkarte", "credit", " card", "visa", "mastercard", "amex", "american express", "maestro",
              "discover", "diners", " jcb", " cc ", "kartennummer", "karten-nr", "karte"),
        _stdnum("luhn"),
        alone=True,
    )  # fmt: skip
    yield Identifier(
        "BIC",
        re.compile(r"(?<!\w)[A-Z]{4} ?[A-Z]{2} ?[A-Z0-9]{2} ?(?:[A-Z0-9]{3})?(?!\w)"),
        Words(" bic ", "swift"),
        _stdnum("bic"),
    )
    yield Identifier(
        "ISIN",
        re.compile(r"(?<!\w)[A-Z]{2}[A-Z0-9]{9}\d(?!\w)"),
        Words(" isin ", "wertpapier", "security", "depot"),
        _stdnum("isin"),
    )
    yield Identifier(
        "CRYPTO",
        re.compile(r"[b13](?<!\w.)(?:(?<=b)c1)?[a-zA-HJ-NP-Z0-9]{25,59}(?!\w)"),
        Words("wallet", " btc ", "bitcoin"),
        _bounded(_checked("CryptoRecognizer"), 92),
        alone=True,
        within=_tokens,
    )
    yield Identifier(
        "CRYPTO",
        re.compile(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)"),
        Words("wallet", "ethereum", " eth ", "crypto", "krypto"),
    )


def _machines() -> Iterator[Identifier]:
    yield Identifier(
        "IP_ADDRESS",
        re.compile(
            r"\d(?<![\w.].)(?<![<~^].)(?<![^-]>.)(?<![^\W\d]-.)(?<![<>=~!]=.)\d{0,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
            r"(?![\w]|-[\w]{0,3}[A-Za-z]|\.\d)"
        ),
        Words(" ip", " host", "server", "client", "address", "addr", "adresse", "login", "gateway"),
        _is_ip,
        alone=True,
        strict=True,
        others=_RELEASES,
        within=_digits,
    )
    yield Identifier(
        "IP_ADDRESS",
        re.compile(
            r"(?<![\w:.])(?=[0-9A-Fa-f:]*\d)(?:[0-9A-Fa-f]{1,4}:(?=[0-9A-Fa-f:]{2,35}(?![\w:]))"
            r"(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}|::[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})(?<![^:]:)(?![\w]|:\S)"
        ),
        Words(" ip", " host", "server"),
        _is_ip,
        alone=True,
        strict=True,
        others=_RELEASES,
        within=_digits,
    )
    yield Identifier(
        "MAC_ADDRESS",
        re.compile(
            r"[0-9A-Fa-f](?<![\w:-].)[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])"
        ),
        Words(" mac ", "ethernet", "hardware"),
        _is_mac,
        alone=True,
        strict=True,
        within=_digits,
    )


def _presidio(recogniser: str) -> Any:
    return getattr(
        importlib.import_module("presidio_analyzer.predefined_recognizers"), recogniser
    )()


def _union(recogniser: Any, *more: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """Any of the recogniser's patterns, the most telling first; the case of letters counts."""
    patterns = sorted(recogniser.patterns, key=lambda one: -one.score)
    return re.compile("|".join([*(f"(?:{one.regex})" for one in patterns), *more]), flags)


def _checked(recogniser: str) -> Callable[[str], bool]:
    """The checksum that a recogniser computes, of a value without its separators."""
    validate = _presidio(recogniser).validate_result
    return lambda value: validate(_SEPARATORS.sub("", value)) is True


def _stdnum(module: str, besides: str | None = None) -> Callable[[str], bool]:
    """The checksum of python-stdnum's module, and that of Presidio's recogniser `besides`."""
    is_valid = importlib.import_module(f"stdnum.{module}").is_valid
    also = _checked(besides) if besides else None

    def check(value: str) -> bool:
        bare = _SEPARATORS.sub("", value)
        return bool(is_valid(bare)) and (also is None or also(bare))

    return check


def _bounded(check: Callable[[str], bool], longest: int) -> Callable[[str], bool]:
    return lambda value: len(value) <= longest and check(value)


def _has_digits(value: str) -> bool:
    """Whether a number without a checksum is no word in capitals: serial numbers have no vowels, but so has RHYTHM."""
    return any(each.isdigit() for each in value)


def _in_capitals(value: str) -> bool:
    return value.isupper()


def _is_plate(value: str) -> bool:
    district = re.match("[A-ZÄÖÜ]+", value)
    letters_and_digits = sum(each.isalnum() for each in value.rstrip("EH"))
    return district is not None and district[0] in DISTRICTS and letters_and_digits <= 8


def _is_ssn(value: str) -> bool:
    """The rules of the Social Security Administration, and Presidio's list of examples that are none."""
    digits = _SEPARATORS.sub("", value)
    if digits[:3] in ("000", "666") or digits[0] == "9" or digits[3:5] == "00":
        return False
    return digits[5:] != "0000" and len(set(digits)) > 1


def _is_mac(value: str) -> bool:
    return len(set(_SEPARATORS.sub("", value.replace(":", "")))) > 1


def _is_ip(value: str) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    # Those mean the machine itself or nothing, wherever they stand; masks of a network look like addresses.
    nobody = address.is_loopback or address.is_unspecified or address.is_multicast
    return not nobody and not value.startswith("255.")

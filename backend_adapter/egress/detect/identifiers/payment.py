"""Identifiers that money moves by: cards, banks, securities, wallets. Those of accounts are in `ibans`."""

from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.identifiers.checks import at_most, stdnum
from backend_adapter.egress.detect.identifiers.identifier import Identifier, near_tokens, shaped
from backend_adapter.egress.detect.identifiers.presidio import checksum


def payment() -> Iterator[Identifier]:
    """All of them."""
    yield shaped(
        "CREDIT_CARD",
        r"(?<![\w.,/-])(?:(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6\d{3}|35\d{2})([ -]?)\d{4}\1\d{4}\1\d{4}"
            r"|3[47]\d{2}([ -]?)\d{6}\2\d{5}|3(?:0[0-5]|[68]\d)\d([ -]?)\d{6}\3\d{4}"
            r"|(?:50|5[6-9]|6\d)\d{10,11}|4\d{12}|4\d{18}|(?:2131|1800)\d{11})(?![\w/-]|[.,]\d)",
        Words("kreditkarte", "credit", " card", "visa", "mastercard", "amex", "american express", "maestro",
              "discover", "diners", " jcb", " cc ", "kartennummer", "karten-nr", "karte"),
        stdnum("luhn"),
        alone=True,
    )  # fmt: skip
    yield shaped(
        "BIC",
        r"(?<!\w)[A-Z]{4} ?[A-Z]{2} ?[A-Z0-9]{2} ?(?:[A-Z0-9]{3})?(?!\w)",
        Words(" bic ", "swift"),
        stdnum("bic"),
    )
    yield shaped(
        "ISIN",
        r"(?<!\w)[A-Z]{2}[A-Z0-9]{9}\d(?!\w)",
        Words(" isin ", "wertpapier", "security", "depot"),
        stdnum("isin"),
    )
    yield shaped(
        "CRYPTO",
        r"[b13](?<!\w.)(?:(?<=b)c1)?[a-zA-HJ-NP-Z0-9]{25,59}(?!\w)",
        Words("wallet", " btc ", "bitcoin"),
        at_most(92, checksum("CryptoRecognizer")),
        alone=True,
        within=near_tokens,
    )
    yield shaped(
        "CRYPTO",
        r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)",
        Words("wallet", "ethereum", " eth ", "crypto", "krypto"),
    )

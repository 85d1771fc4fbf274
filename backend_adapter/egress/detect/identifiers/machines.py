"""Addresses of machines in a network."""

from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.identifiers.checks import is_ip, is_mac
from backend_adapter.egress.detect.identifiers.identifier import Identifier, near_digits, shaped

# What has four numbers with dots between them and is no address of a machine.
RELEASES = Words(
    "version", "build", "release", "firmware", "revision", "section", "abschnitt", "kapitel", "ziffer", " v ",
    "chapter", "clause", "paragraph", "gliederung", "patch", "update", "hotfix",
)  # fmt: skip


def machines() -> Iterator[Identifier]:
    """All of them."""
    yield shaped(
        "IP_ADDRESS",
        r"\d(?<![\w.].)(?<![<~^].)(?<![^-]>.)(?<![^\W\d]-.)(?<![<>=~!]=.)\d{0,2}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
        r"(?![\w]|-[\w]{0,3}[A-Za-z]|\.\d)",
        Words(" ip", " host", "server", "client", "address", "addr", "adresse", "login", "gateway"),
        is_ip,
        alone=True,
        strict=True,
        others=RELEASES,
        within=near_digits,
    )
    yield shaped(
        "IP_ADDRESS",
        r"(?<![\w:.])(?=[0-9A-Fa-f:]*\d)(?:[0-9A-Fa-f]{1,4}:(?=[0-9A-Fa-f:]{2,35}(?![\w:]))"
        r"(?:[0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{0,4}|::[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){0,6})"
        r"(?<![^:]:)(?![\w]|:\S)",
        Words(" ip", " host", "server"),
        is_ip,
        alone=True,
        strict=True,
        others=RELEASES,
        within=near_digits,
    )
    yield shaped(
        "MAC_ADDRESS",
        r"[0-9A-Fa-f](?<![\w:-].)[0-9A-Fa-f]([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![\w:-])",
        Words(" mac ", "ethernet", "hardware"),
        is_mac,
        alone=True,
        strict=True,
        within=near_digits,
    )

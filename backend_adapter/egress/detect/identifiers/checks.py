"""What an identifier must fulfil besides its shape: checksums, and the rules of whoever gives it."""

import importlib
import ipaddress
from collections.abc import Callable

from backend_adapter.egress.detect.identifiers.presidio import SEPARATORS, checksum


def stdnum(module: str, besides: str | None = None) -> Callable[[str], bool]:
    """The checksum of python-stdnum's module, and that of Presidio's recogniser `besides`."""
    is_valid = importlib.import_module(f"stdnum.{module}").is_valid
    also = checksum(besides) if besides else None

    def check(value: str) -> bool:
        bare = SEPARATORS.sub("", value)
        return bool(is_valid(bare)) and (also is None or also(bare))

    return check


def at_most(longest: int, check: Callable[[str], bool]) -> Callable[[str], bool]:
    """The check, for what has at most so many characters."""
    return lambda value: len(value) <= longest and check(value)


def has_digits(value: str) -> bool:
    """Whether a number without a checksum is no word in capitals: those of papers lack vowels, as RHYTHM does."""
    return any(each.isdigit() for each in value)


def in_capitals(value: str) -> bool:
    """Whether all letters are capital ones."""
    return value.isupper()


def is_us_ssn(value: str) -> bool:
    """The rules of the Social Security Administration, and Presidio's list of examples that are none."""
    digits = SEPARATORS.sub("", value)
    if digits[:3] in ("000", "666") or digits[0] == "9" or digits[3:5] == "00":
        return False
    return digits[5:] != "0000" and len(set(digits)) > 1


def is_mac(value: str) -> bool:
    """Whether it is more than one digit again and again."""
    return len(set(SEPARATORS.sub("", value.replace(":", "")))) > 1


def is_ip(value: str) -> bool:
    """Whether it is the address of one machine."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    # Those mean the machine itself or nothing, wherever they stand; masks of a network look like addresses.
    nobody = address.is_loopback or address.is_unspecified or address.is_multicast
    return not nobody and not value.startswith("255.")

"""In which forms a telephone number is written: for callers at home and abroad."""

import re
from collections.abc import Iterator

_NOT_DIGITS = re.compile(r"[^\d+]")
# Country calling codes begin a number written for abroad; without one it is Germany's.
_HOME = "49"
# The countries' codes of one and of two digits; all others have three (ITU-T E.164, list of assigned codes).
_COUNTRY = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}", re.ASCII)
# Where a number at home begins with no zero is told by nobody; one this long is a number all the same.
_LONG = 8


def forms_of_phone(value: str) -> Iterator[bytes]:
    """Its digits: 0351 4889988, +49 351 4889988, 0049 (0)351 4889988; none where it has no area code."""
    digits = _NOT_DIGITS.sub("", value.replace("(0)", ""))
    if digits.startswith("+"):
        abroad = digits[1:]
    elif digits.startswith("00"):
        abroad = digits[2:]
    elif digits.startswith("0"):
        abroad = _HOME + digits[1:]
    else:
        return
    if (match := _COUNTRY.match(abroad)) is None:
        return
    country, rest = match[0], abroad[match.end() :]
    if not rest:
        return
    yield f"0{rest}".encode()
    if country != _HOME and len(rest) >= _LONG:
        yield rest.encode()
    for zero in ("", "0"):
        yield f"{country}{zero}{rest}".encode()
        yield f"00{country}{zero}{rest}".encode()

"""What is meant by escapes in a text: those of JSON and of programs, of addresses, of mails.

Sources: RFC 8259 section 7 (`\\n`, `\\u00fc`), the literals of Python and JavaScript (`\\xfc`, `\\303\\274`,
`\\u{fc}`), RFC 3986 section 2.1 (`%C3%BC`), RFC 2047 (`=?utf-8?b?…?=`), RFC 2397 (`data:`).
"""

import base64
import binascii
import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote_to_bytes

_HEX = "[0-9a-fA-F]"
# However often it was escaped itself: each backslash is looked at once, or very many of them would take very long.
_BACKSLASHES = r"(?<!\\)\\++"
# The letters are those of a break or a blank.
ESCAPED = (
    rf"{_BACKSLASHES}(?:u{_HEX}{{4}}(?:\\++u{_HEX}{{4}})*|u\{{{_HEX}{{1,6}}\}}|U{_HEX}{{8}}"
    rf"|x{_HEX}{{2}}(?:\\++x{_HEX}{{2}})*|[0-3][0-7]{{2}}(?:\\++[0-3][0-7]{{2}})*|[nrtbfvs])"
)
BREAK = rf"(?:\n|{_BACKSLASHES}n)"
PERCENT = rf"%(?:u{_HEX}{{4}}|{_HEX}{{2}}(?:%{_HEX}{{2}})*)"
ENCODED_WORDS = (
    r"=\?[\w-]{1,40}\?[bBqQ]\?[^?\s]{0,400}\?=(?:\s{1,4}=\?[\w-]{1,40}\?[bBqQ]\?[^?\s]{0,400}\?=)*"
)
DATA = r"(?i:data):[^,\n]{0,256};(?i:base64),\s*[A-Za-z0-9+/_-]+={0,2}"

_ESCAPED = re.compile(ESCAPED)
_PERCENT = re.compile(PERCENT)
_PARTS = re.compile(r"\\+")


def unescaped(text: str) -> str:
    """The text without escapes."""
    return _ESCAPED.sub(lambda match: meant(match[0]), text)


def unquoted(text: str) -> str:
    """The text without percent signs that stand for other characters."""
    return _PERCENT.sub(lambda match: meant_by_percent(match[0]), text)


def meant(escaped: str) -> str:
    """What is meant by what `ESCAPED` matches."""
    _, *parts = _PARTS.split(escaped)
    letter, rest = parts[0][0], parts[0][1:]
    if letter in "uU":
        codes = [int(part[1:].strip("{}"), 16) for part in parts]
        return _characters(codes)
    if letter == "x":
        return _text(bytes(int(part[1:], 16) for part in parts))
    if rest:
        return _text(bytes(int(part, 8) for part in parts))
    return "\n" if letter in "nr" else " "


def meant_by_percent(written: str) -> str:
    """What is meant by what `PERCENT` matches."""
    if written[1] == "u":
        return _characters([int(written[2:], 16)])
    return _text(unquote_to_bytes(written))


def meant_by_words(written: str) -> str:
    """What is meant by what `ENCODED_WORDS` matches."""
    try:
        return str(make_header(decode_header(written)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return written


def meant_by_data(written: str) -> str:
    """The text that is in what `DATA` matches, between blanks; nothing where it is none."""
    data = written.partition(",")[2].strip().replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return f" {base64.b64decode(data + '=' * (-len(data) % 4)).decode()} "
    except (binascii.Error, ValueError):
        return " "


def _characters(codes: list[int]) -> str:
    """Characters by their codes, of which two may be one beyond the first 65,536."""
    written = "".join(chr(code) for code in codes if code <= 0x10FFFF)
    return written.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")

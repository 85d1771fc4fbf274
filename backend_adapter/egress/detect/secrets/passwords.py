"""Recognises passwords by the words that name them."""

import re
from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.secrets.named import named
from backend_adapter.egress.detect.secrets.placeholders import is_placeholder

_WORDS = Words(
    "passwort", "password", "passwd", "kennwort", "passphrase", "losungswort", "pwd", "passcode",
    "zugangscode", " pass ", " pw ", " pin ",
)  # fmt: skip
WORDS = (_WORDS,)

_JOIN_MARKS = " \t\n\"'`*_"
# The word that names it, what joins the two, and the value: quoted, or without a blank.
_NAMED = re.compile(
    r"(?P<name>\w*(?:passwor[td]|passwd|kennwort|passphrase|losungswort|passcode|zugangscode|pwd)\w{0,20}"
    r"|(?<!\w)(?:pass|pw|pin)(?!\w))(?P<rest>[ \w./-]{0,40}?)"
    r"(?P<join>[\"'`*_]{0,3}\s{0,3}(?:=>|:=|->|→|==?|:)[ \t]{0,4}\n?[ \t]{0,4}"
    r"|\s(?:lautet|ist|is|war|was|to|auf)(?:\s(?:jetzt|nun|now|wie folgt))?[: ]{1,3}"
    r"|[ \t]{1,3}(?=[\"'`„“]))"
    r"(?:(?P<quoted>[\"'`])(?P<whole>[^\"'`\n]{3,128})(?P=quoted)"
    r"|(?P<quote>[\"'`„“‚*]{0,2})(?P<value>[^\s\"'`„“”‘’|]{3,128}))",
    re.IGNORECASE,
)
_SHORT_NAMES = ("pass", "pw", "pin")
_CALL = re.compile(r"\w+(?:\.\w+)*\(.*")
_MIXED = re.compile(r"\d|[^\w.,;:!?)-]|[a-zäöü][A-ZÄÖÜ]")


def passwords(scan: Scan) -> Iterator[Hit]:
    """All in a text."""
    return named(scan, _WORDS, _NAMED, "PASSWORD", _is_password)


def is_password_value(value: str) -> bool:
    """Whether what stands in a field for passwords is one."""
    return len(value) >= 3 and not is_placeholder(value)


def _is_password(match: re.Match[str], value: str) -> bool:
    join = match["join"].strip(_JOIN_MARKS)
    if is_placeholder(value):
        return False
    if match["whole"] is not None:
        # Quotes alone join a word to many things.
        return join != ""
    if _CALL.fullmatch(value):
        return False
    named_directly = not match["rest"].strip()
    name = match["name"].casefold()
    short = name in _SHORT_NAMES
    if not join and (short or not named_directly or not re.search(r"\d|[^\w`]", value)):
        return False
    if short and not named_directly:
        return False
    if name == "pin" and not value[:1].isdigit():
        return False
    if match["quote"] or _MIXED.search(value):
        # A sentence goes on after a colon: only what stands for itself is a value then.
        return named_directly or match["quote"] != "" or len(value) >= 6
    if join.casefold().startswith("lautet"):
        return True
    # In a file of settings nothing else stands there.
    return named_directly and "=" in match["join"] and value.isascii()

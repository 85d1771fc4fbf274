"""Recognises tokens and keys of any maker by the words that name them."""

import math
import re
from collections import Counter
from collections.abc import Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.secrets.named import named

_TOKEN = Words(
    "secret", "token", "api_key", "apikey", "api-key", "api key", "access key", "access_key",
    "accesskey", "private_key", "schlüssel", "zugangsschlüssel", "credential", "auth_key",
    "encryption_key", "client_secret", "signing_key", "license key", "lizenzschlüssel",
)  # fmt: skip
_BEARER = Words("bearer", "authorization")
WORDS = (_TOKEN, _BEARER)

_NAMED_TOKEN = re.compile(
    r"(?:secret|token|api[_ -]?key|access[_ -]?key|private_key|schlüssel|credential|auth_key"
    r"|encryption_key|signing_key|license key)\w{0,20}[\"'`*]{0,3}"
    r"(?:\s{0,3}(?:=>|:=|->|==?|:)\s{0,4}|\s(?:lautet|ist|is)[: ]{1,3}| {1,2})"
    r"[\"'`„“*]{0,2}(?P<value>[A-Za-z0-9_+/=.~-]{16,512})",
    re.IGNORECASE,
)
_NAMED_BEARER = re.compile(
    r"(?:bearer|authorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:basic|token|apikey))"
    r"\s{1,3}(?P<value>[A-Za-z0-9_+/=.~-]{12,4096})",
    re.IGNORECASE,
)
# In bits for each character: words have fewer.
_ENTROPY_OF_TOKEN, _ENTROPY_OF_LETTERS = 3.0, 3.5


def tokens(scan: Scan) -> Iterator[Hit]:
    """All in a text."""
    yield from named(scan, _TOKEN, _NAMED_TOKEN, "SECRET_TOKEN", _is_token)
    yield from named(scan, _BEARER, _NAMED_BEARER, "BEARER_TOKEN", _is_bearer)


def _is_token(match: re.Match[str], value: str) -> bool:
    letters = any(each.isalpha() for each in value)
    digits = any(each.isdigit() for each in value)
    return letters and digits and _entropy(value) >= _ENTROPY_OF_TOKEN


def _is_bearer(match: re.Match[str], value: str) -> bool:
    return any(each.isdigit() for each in value) or _entropy(value) >= _ENTROPY_OF_LETTERS


def _entropy(value: str) -> float:
    """Shannon's, in bits for each character."""
    return -sum(
        count / len(value) * math.log2(count / len(value)) for count in Counter(value).values()
    )

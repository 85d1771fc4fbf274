"""Recognises what opens something: by a maker's format, or by the words that name it."""

from collections.abc import Iterator

from backend_adapter.egress.detect.hits import Hit
from backend_adapter.egress.detect.scan import Scan
from backend_adapter.egress.detect.secrets import passwords, tokens
from backend_adapter.egress.detect.secrets.formatted import formatted

WORDS = (*passwords.WORDS, *tokens.WORDS)


def credentials(scan: Scan) -> Iterator[Hit]:
    """All that a text holds."""
    yield from formatted(scan)
    yield from passwords.passwords(scan)
    yield from tokens.tokens(scan)

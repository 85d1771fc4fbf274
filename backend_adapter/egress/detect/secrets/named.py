"""Finds the secrets of one kind by the words that name them."""

import re
from collections.abc import Callable, Iterator

from backend_adapter.egress.detect.context import Words
from backend_adapter.egress.detect.hits import SECRET, Hit
from backend_adapter.egress.detect.scan import Scan

# A sentence's, more likely than the value's own.
_TRAILING = ".,;:!?)]}*"
_SHORTEST = 3


def named(
    scan: Scan,
    words: Words,
    pattern: re.Pattern[str],
    category: str,
    is_one: Callable[[re.Match[str], str], bool],
) -> Iterator[Hit]:
    """All such near these words, of which `is_one` says that they are; a pattern's group `value` is the secret.

    Its group `whole` is one that stands between quotes.
    """
    view = scan.near(words)
    if view is None:
        return
    for match in pattern.finditer(view.text):
        group = "whole" if match.groupdict().get("whole") is not None else "value"
        value = match[group] if group == "whole" else _without_marks(match[group])
        if is_one(match, value):
            begin = view.at(match.start(group))
            yield Hit(begin, begin + len(value), category, SECRET - 5)


def _without_marks(value: str) -> str:
    """The value without the marks of a sentence after it."""
    # A mark at the end of a password is as likely its own as the sentence's.
    if value[-1:] in "!?*":
        return value
    bare = value.rstrip(_TRAILING)
    return bare if len(bare) >= _SHORTEST else value

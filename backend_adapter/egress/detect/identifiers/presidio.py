"""What Presidio knows of identifiers: the patterns and checksums of its predefined recognisers, version 2.2.

Its own loop over a text is not used: it compares all results with each other, writes values to its log, and passes
over a text in silence when a pattern takes too long.
"""

import importlib
import re
from collections.abc import Callable
from typing import Any

SEPARATORS = re.compile(r"[\s./-]")


def union(recogniser: str) -> str:
    """Any of a recogniser's patterns, the most telling first. Imports Presidio, which takes a second or two."""
    patterns = sorted(_made(recogniser).patterns, key=lambda one: -one.score)
    return "|".join(f"(?:{one.regex})" for one in patterns)


def checksum(recogniser: str) -> Callable[[str], bool]:
    """The checksum that a recogniser computes, of a value without its separators."""
    validate = _made(recogniser).validate_result
    return lambda value: validate(SEPARATORS.sub("", value)) is True


def _made(recogniser: str) -> Any:
    module = importlib.import_module("presidio_analyzer.predefined_recognizers")
    return getattr(module, recogniser)()

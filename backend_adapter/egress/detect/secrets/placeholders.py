"""Tells what stands where a secret would, and is none: an example, a sentence that goes on, a program's variable.

`placeholders.txt` has the words of that kind.
"""

import re

from backend_adapter.egress.detect.word_lists import lines

_PLACEHOLDER = re.compile(
    rf"[<\[{{(%$].*|[*•x.…_-]+|(?:{'|'.join(lines(__package__, 'placeholders.txt'))}|varchar\S*|changeme\W*"
    r"|geheimnis-\w+|(?:os|self|process|settings|config)\.\S*|(?:env|getenv|input|field)\S*)[.,;:!?)]*",
    re.IGNORECASE,
)


def is_placeholder(value: str) -> bool:
    """Whether it is one; marks of a sentence may follow it."""
    return _PLACEHOLDER.fullmatch(value) is not None
